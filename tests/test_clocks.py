"""An installation on a machine whose clock is wrong: the database's counts for all of its processes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bench.installation import folder
from tests.installed import running


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [600, -600])
def test_a_web_process_whose_clock_is_ten_minutes_off_goes_by_the_databases(seconds: int) -> None:
    off = {"DJANGO_SETTINGS_MODULE": "tests.standins.settings", "STANDIN_CLOCK_SECONDS": str(seconds)}
    with folder() as place, running(place / "data", **off) as made:
        began = datetime.now(UTC)
        ends = {"deadline_at": (began + timedelta(seconds=300)).isoformat()}
        job = made.call("POST", "/v1/jobs", {"queue": "menus", "kind": "read", **ends})
        assert abs(datetime.fromisoformat(job["created_at"]) - began) < timedelta(seconds=30)
        (claim,) = made.call("POST", "/v1/queues/menus/claims", {"wait_seconds": 5})["data"]
        token = {"lease_token": claim["lease"]["token"]}
        made.call("POST", f"/v1/jobs/{job['id']}/complete", token)
        assert made.call("GET", f"/v1/jobs/{job['id']}")["state"] == "succeeded"
        over = {"deadline_at": (datetime.now(UTC) - timedelta(seconds=300)).isoformat()}
        with pytest.raises(OSError, match="422"):
            made.call("POST", "/v1/jobs", {"queue": "menus", "kind": "read", **over})
