# ruff: noqa: E501 - the report is written as it will stand
"""Jobs: worked off beside other queues on the same Postgres, claimed among many tenants, kept from a flood, idle.

`python -m bench.jobs` measures this alone, in some ten minutes; most of them belong to the others' rounds.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench.installation import ROOT, folder
from bench.rivals import Figures, Rivals, kit

ROUNDS = 5
JOBS = 5_000
THREADS = 8
#: The registry in which claims are timed.
WAITING, TENANTS, CLAIMS = 200_000, 2_000, 400
#: Jobs of the tenant that floods, seconds that each takes, and jobs of the other one that come meanwhile.
FLOOD, FLOOD_SECONDS, OTHERS = 20_000, 0.005, 100
IDLE_SECONDS, IDLE_TENANTS = 40, 20


@dataclass(frozen=True)
class Measured:
    """Jobs a second of our rounds, what the others' gave, and what was found about claims, a flood and idling."""

    ours: list[float]
    enqueued: list[float]
    rivals: list[Figures]
    found: dict[str, Any]


def measure(rounds: int = ROUNDS) -> Measured:
    """Start a durable Postgres, install, and take turns on it."""
    with folder() as base, _postgres(base / "data") as (host, environment):
        _here(environment, "install")
        rivals = Rivals(base, host, kit.install(base))
        figures = [Figures(setting) for setting in rivals.settings()]
        ours, enqueued = [], []
        for _ in range(rounds):
            for one in figures:
                mine = _here(environment, "round")
                ours.append(mine["jobs"])
                enqueued.append(mine["enqueued"])
                one.rounds.append(rivals.round(one.setting))
        found = {name: _here(environment, name) for name in ("idle", "flood", "claims")}
    return Measured(ours, enqueued, figures, found)


@contextmanager
def _postgres(data: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The folder of its socket, and the environment in which the platform's code finds it."""
    from apps.tenancy.embedded import EmbeddedPostgres

    data.mkdir()
    server = EmbeddedPostgres(data).start()
    try:
        host = parse_qs(urlsplit(server.login_url).query)["host"][0]
        environment = {
            "PACKMULE_DATA_DIR": str(data.parent),
            "PACKMULE_DATABASE_URL": server.login_url,
            "PACKMULE_OWNER_DATABASE_URL": server.owner_url,
            "PACKMULE_MASTER_KEY": "YmVuY2ggYmVuY2ggYmVuY2ggYmVuY2ggYmVuY2ggYmU=",
        }
        yield host, environment
    finally:
        server.stop(fast=False)


def _here(environment: dict[str, str], what: str) -> Any:
    """Measure one thing in a process of its own, as a worker is one."""
    command = [sys.executable, "-m", "bench.jobs", what]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def _round() -> dict[str, float]:
    from apps.jobs.inside.worker import Worker

    noop, tenant = _noop(), _tenants()[0]
    began = time.perf_counter()
    _enqueue(noop, tenant, JOBS)
    enqueued = JOBS / (time.perf_counter() - began)
    worker = Worker(THREADS)
    began = time.perf_counter()
    worker.start()
    _await_none()
    seconds = time.perf_counter() - began
    worker.stop()
    return {"jobs": JOBS / seconds, "enqueued": enqueued}


def _noop(seconds: float = 0) -> Any:
    from apps.jobs.tasks import Run, task

    @task("bench.noop", queue="packmule.bench")
    def noop(run: Run) -> None:  # noqa: ARG001 - what tasks get
        if seconds:
            time.sleep(seconds)

    return noop


def _tenants() -> list[Any]:
    from apps.tenancy.models import Tenant
    from apps.tenancy.walls import outside

    with outside():
        return [tenant.ref for tenant in Tenant.objects.active().order_by("id")]


def _enqueue(noop: Any, tenant: Any, count: int) -> None:
    from django.db import transaction

    from apps.tenancy.walls import enter

    with enter(tenant):
        for _ in range(0, count, 500):
            with transaction.atomic():
                noop.enqueue_many(None, [({}, None)] * min(500, count))


def _await_none() -> None:
    """Wait until the last row is gone, which is when the last job is recorded as done."""
    from apps.jobs.registry import Dispatch
    from apps.tenancy.walls import outside

    with outside():
        while Dispatch.objects.exists():
            time.sleep(0.005)


def _install() -> dict[str, int]:
    from apps.storage.beginning import begin
    from apps.tenancy.installation import install

    install()
    begin()
    _make_tenants(2)
    return {"tenants": len(_tenants())}


def _idle() -> dict[str, float]:
    """Statements a second, those that set a role included, of all that `manage.py worker` runs, with nothing to do."""
    from threading import Event, Thread

    import psycopg

    from apps.jobs.inside.worker import Worker
    from apps.tenancy.maintenance import work_until

    _make_tenants(IDLE_TENANTS)
    sent, stop = [0], Event()
    execute = psycopg.Cursor.execute

    def counting(self: Any, *args: Any, **more: Any) -> Any:
        sent[0] += 1
        return execute(self, *args, **more)

    worker, chores = Worker(THREADS), Thread(target=work_until, args=(stop,))
    worker.start()
    chores.start()
    time.sleep(20)
    psycopg.Cursor.execute = counting  # type: ignore[method-assign]
    time.sleep(IDLE_SECONDS)
    psycopg.Cursor.execute = execute  # type: ignore[method-assign]
    stop.set()
    chores.join()
    worker.stop()
    return {"statements": sent[0] / IDLE_SECONDS}


def _make_tenants(many: int) -> None:
    from apps.tenancy.models import Tenant
    from apps.tenancy.provisioning import build_spare
    from apps.tenancy.walls import registry

    for number in range(len(_tenants()), many):
        made = build_spare("environment")
        with registry():
            Tenant.objects.filter(pk=made.pk).update(state="active", name=f"bench/{number}")


def _flood() -> dict[str, float]:
    """Seconds until jobs of one tenant begin while another one has the queue full."""
    from apps.jobs.inside.worker import Worker
    from apps.jobs.models import Job
    from apps.tenancy.walls import enter

    noop, (flooding, other) = _noop(FLOOD_SECONDS), _tenants()[:2]
    _enqueue(noop, flooding, FLOOD)
    worker = Worker(THREADS)
    worker.start()
    time.sleep(1)
    for _ in range(OTHERS):
        _enqueue(noop, other, 1)
        time.sleep(0.05)
    time.sleep(2)
    with enter(other):
        jobs = Job.objects.filter(started_at__isnull=False)
        waits = sorted((job.started_at - job.created_at).total_seconds() for job in jobs if job.started_at)
    left = _left()
    worker.stop()
    return {
        "p50": statistics.median(waits),
        "p99": waits[int(len(waits) * 0.99) - 1],
        "left": left,
        "of": len(waits),
    }


def _left() -> int:
    from apps.jobs.registry import Dispatch
    from apps.tenancy.walls import outside

    with outside():
        return Dispatch.objects.count()


def _claims() -> dict[str, float]:
    """Milliseconds of a claim with many rows of many tenants ready."""
    from django.db import connection

    from apps.jobs import turns
    from apps.tenancy.walls import registry

    with registry(), connection.cursor() as cursor:
        cursor.execute("delete from public.jobs_dispatch")
        cursor.execute("delete from public.jobs_share")
        cursor.execute("delete from public.jobs_lane")
        cursor.execute(_LANES, [TENANTS])
        cursor.execute(_SHARES, [TENANTS])
        cursor.execute(_ROWS, [TENANTS, WAITING])
    from django.db import connections

    with connections["owner"].cursor() as cursor:
        cursor.execute("vacuum analyze public.jobs_dispatch, public.jobs_lane, public.jobs_share")
    took, served = [], set()
    for _ in range(CLAIMS):
        began = time.perf_counter()
        leases, _ = turns.claim(1)
        took.append((time.perf_counter() - began) * 1000)
        served |= {lease.place.schema_name for lease in leases}
    with registry(), connection.cursor() as cursor:
        cursor.execute("delete from public.jobs_dispatch")
    return {"p50": statistics.median(took), "p95": sorted(took)[int(CLAIMS * 0.95)], "tenants": len(served)}


_LANES = """
insert into public.jobs_lane (id, schema_name, queue, runner, active, virtual_time, paused, weight, lease_seconds,
    key_max_in_flight, burst, share_burst)
select gen_random_uuid(), 't_' || n, 'packmule.bench', 'platform', true, random() * 10, false, 1, 60, 1, 1, 1
from generate_series(1, %s) n
"""
_SHARES = """
insert into public.jobs_share (id, schema_name, queue, share, active, virtual_time)
select gen_random_uuid(), 't_' || n, 'packmule.bench', '00000000-0000-0000-0000-000000000000', true, 0
from generate_series(1, %s) n
"""
#: Three quarters of them belong to one tenant.
_ROWS = """
insert into public.jobs_dispatch (id, schema_name, queue, share, runner, state, rank, concurrency_key)
select gen_random_uuid(), 't_' || case when n %% 4 > 0 then 1 else 1 + (n / 4) %% %s end, 'packmule.bench',
    '00000000-0000-0000-0000-000000000000', 'platform', 'ready', 0, ''
from generate_series(1, %s) n
"""


_LEASE = "the lease, looked for each second"


def lines(measured: Measured) -> list[str]:
    """The figures as they stand on the page; ratios are taken round by round."""
    ours = statistics.median(measured.ours)
    rows = [["Packmule, a lease each", f"{ours:,.0f}", _span(measured.ours), "", _LEASE]]
    for one in measured.rivals:
        rates = [each.rate for each in one.rounds]
        ratio = statistics.median(mine / theirs for mine, theirs in zip(measured.ours, rates, strict=True))
        rows.append([one.setting.name, f"{one.rate:,.0f}", _span(rates), f"{ratio:.1f}", one.setting.timeout])
    idle, flood, claims = (measured.found[name] for name in ("idle", "flood", "claims"))
    said = f"""
* Enqueued in bulk, 500 in a transaction: {statistics.median(measured.enqueued):,.0f} a second.
* A claim with {WAITING:,} rows ready in {TENANTS:,} tenants, of which one has three quarters: {claims["p50"]:.2f} ms in the
  median, {claims["p95"]:.2f} ms at p95; {CLAIMS} claims served {claims["tenants"]} tenants.
* One tenant floods with {FLOOD:,} jobs, and {flood["left"]:,} of them still wait at the end; a job of another one begins after
  {flood["p50"] * 1000:.0f} ms in the median, {flood["p99"] * 1000:.0f} ms at p99 ({flood["of"]} jobs).
* An idle worker sends {idle["statements"]:.1f} statements a second with {IDLE_TENANTS} tenants, chores and changes of role included."""
    head = [
        "",
        "jobs a second",
        "least to most",
        "Packmule is so many times as fast",
        "a dead worker's jobs are back after",
    ]
    table = [head, ["---", "---:", "---:", "---:", "---"], *rows]
    return ["| " + " | ".join(row) + " |" for row in table] + said.splitlines()


def _span(rates: list[float]) -> str:
    return f"{min(rates):,.0f} to {max(rates):,.0f}"


_PARTS = {"install": _install, "round": _round, "idle": _idle, "flood": _flood, "claims": _claims}

if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in _PARTS:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
        import django

        django.setup()
        print(json.dumps(_PARTS[sys.argv[1]]()))
    else:
        print("\n".join(lines(measure(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS))))
