"""A job from being enqueued to its end, by a worker of the product."""

from __future__ import annotations

from typing import Any

from tests.client import Api
from tests.world import World


def make(me: Api, **said: Any) -> Any:
    made = me.post("/v1/jobs", {"queue": "menus", "kind": "menu.read", "payload": {"photo": 1}, **said})
    assert made.status == 201, made.body
    return made


def claim(me: Api, queue: str = "menus", **said: Any) -> list[Any]:
    answer = me.post(f"/v1/queues/{queue}/claims", said)
    assert answer.status == 200, answer.body
    return list(answer["data"])


def test_a_job_from_being_enqueued_to_its_end(world: World, api: Api) -> None:
    me = api.using(world.acorn.parties["north"].person_key)
    made = make(me)
    assert (made["state"], made["attempt"], made["enqueued_by"]["kind"]) == ("ready", 0, "user")
    (claimed,) = claim(me, worker="oven")
    job, lease = claimed["job"], claimed["lease"]
    assert (job["id"], job["state"], job["attempt"], job["worker"]) == (made["id"], "running", 1, "oven")
    path = f"/v1/jobs/{job['id']}"
    beat = me.post(f"{path}/heartbeat", {"lease_token": lease["token"], "progress": 0.5, "message": "half"})
    assert (beat.status, beat["cancel"]) == (200, False)
    assert (me.get(path)["progress"], me.get(path)["message"]) == (0.5, "half")
    done = me.post(f"{path}/complete", {"lease_token": lease["token"], "result": {"dishes": 3}})
    assert (done.status, done["state"], done["result"]) == (200, "succeeded", {"dishes": 3})
    assert me.post(f"{path}/complete", {"lease_token": lease["token"]}).code == "lease_lost"
    (attempt,) = me.get(f"{path}/attempts")["data"]
    assert (attempt["number"], attempt["state"], attempt["worker"]) == (1, "succeeded", "oven")
    assert claim(me) == []
