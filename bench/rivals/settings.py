"""The settings in which the other queues are measured, and why they are these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CONCURRENCY = 8

#: A heartbeat each half second, silent for 1 s is dead, and stalled jobs looked for each second: the manual's recipe,
#: which nothing runs unless the user writes it, with the shortest times that are of use.
_PROCRASTINATE_WORKER = {
    "concurrency": CONCURRENCY,
    "update_heartbeat_interval": 0.5,
    "stalled_worker_timeout": 1.0,
}
#: 10 s is the shortest heartbeat that pg-boss takes, and 1 s the shortest interval of its supervisor (60 s if not set).
#: A worker polls each 0.5 s at the most often, so each setting has a burst option, which lets it go on without a pause.
_PG_BOSS = {
    "queue": {"heartbeatSeconds": 10},
    "instance": {
        "schedule": False,
        "superviseIntervalSeconds": 1,
        "monitorIntervalSeconds": 1,
        "queueCacheIntervalSeconds": 1,
    },
}
_POLL = {"pollingIntervalSeconds": 0.5}
#: graphile-worker unlocks the jobs of a dead worker after 4 hours. The statement has that number in it, so no setting
#: shortens it; an operator may unlock by the worker's id.
_GRAPHILE = {"concurrentJobs": CONCURRENCY}
_GRAPHILE_BATCHES = {"completeJobBatchDelay": 0, "failJobBatchDelay": 0}

_PROCRASTINATE_JOBS = "procrastinate_jobs WHERE task_name = 'noop' AND status"
_PG_BOSS_JOBS = "pgboss.job WHERE name = 'bench' AND state"
_GRAPHILE_JOBS = "graphile_worker._private_jobs"


@dataclass(frozen=True)
class Setting:
    """One way to run one package: options for its driver, how large a backlog, and the SQL that counts its jobs.

    `timeout` says when the jobs of a killed worker should be back, and `default` when they are back without these
    settings. `claims` is the most jobs that a worker holds at once.
    """

    name: str
    package: str
    driver: str
    options: dict[str, Any]
    jobs: int
    claims: int
    unfinished: str
    held: str
    timeout: str
    default: str


def _procrastinate(name: str, jobs: int, worker: dict[str, Any]) -> Setting:
    return Setting(
        name,
        "procrastinate",
        "procrastinate_worker.py",
        {"silent": 1, "worker": _PROCRASTINATE_WORKER | worker},
        jobs,
        CONCURRENCY,
        f"SELECT count(*) FROM {_PROCRASTINATE_JOBS} IN ('todo', 'doing')",
        f"SELECT count(*) FROM {_PROCRASTINATE_JOBS} = 'doing'",
        "1 s, looked for each second",
        "never, unless a periodic task is written",
    )


def _pg_boss(name: str, jobs: int, claims: int, worker: dict[str, Any], *, together: bool = False) -> Setting:
    return Setting(
        name,
        "pg-boss",
        "pgboss.mjs",
        _PG_BOSS | {"worker": _POLL | worker, "together": together},
        jobs,
        claims,
        f"SELECT count(*) FROM {_PG_BOSS_JOBS} IN ('created', 'retry', 'active')",
        f"SELECT count(*) FROM {_PG_BOSS_JOBS} = 'active'",
        "10 s, looked for each second",
        "15 minutes, looked for each minute",
    )


def _graphile(name: str, jobs: int, claims: int, worker: dict[str, Any]) -> Setting:
    return Setting(
        name,
        "graphile-worker",
        "graphile.mjs",
        {"worker": _GRAPHILE | worker},
        jobs,
        claims,
        f"SELECT count(*) FROM {_GRAPHILE_JOBS}",
        f"SELECT count(*) FROM {_GRAPHILE_JOBS} WHERE locked_at IS NOT NULL",
        "4 hours, fixed",
        "4 hours",
    )


SETTINGS = [
    _procrastinate("procrastinate", 2_000, {}),
    _procrastinate("procrastinate, done jobs deleted", 2_000, {"delete_jobs": "successful"}),
    _pg_boss(
        "pg-boss, a job at a time",
        2_000,
        CONCURRENCY,
        {"localConcurrency": CONCURRENCY, "batchSize": 1, "burstWhenReadyExceeds": 1},
    ),
    _pg_boss(
        "pg-boss, a batch of 8 together",
        5_000,
        CONCURRENCY,
        {"localConcurrency": 1, "batchSize": CONCURRENCY, "burstWhenBatchFull": True},
        together=True,
    ),
    _pg_boss(
        "pg-boss, 8 batches of 50",
        20_000,
        CONCURRENCY * 50,
        {"localConcurrency": CONCURRENCY, "batchSize": 50, "burstWhenBatchFull": True},
    ),
    _graphile("graphile-worker", 5_000, CONCURRENCY, {}),
    _graphile("graphile-worker, completed in batches", 5_000, CONCURRENCY, _GRAPHILE_BATCHES),
    _graphile(
        "graphile-worker, local queue of 500",
        20_000,
        500 + CONCURRENCY,
        _GRAPHILE_BATCHES | {"localQueue": {"size": 500}},
    ),
]
