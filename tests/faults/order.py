"""Whether jobs were claimed in the order of their priorities, by how long each was among those that are ready.

Of two jobs of one organization's share that were ready at the same time, the one of the higher priority goes first.
Two are compared only where that is beyond doubt: the one that stayed had been ready for a while when the statement
came that claimed the other, and whatever took it away later began after that claim. So what one claim could not have
seen, because it came during it, and what another transaction had locked, is no offence.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.audit import Audit

#: `ready_at` is the moment of the commit: a transaction that enqueues or gives back may take long before it is seen.
_WATCH = """
create table public.faults_stays (id uuid, schema_name text, queue text, share uuid, rank int, ready_at timestamptz,
    asked_at timestamptz, began_at timestamptz, left_at timestamptz, claimed bool);
create index on public.faults_stays (id) where left_at is null;
create function public.faults_became_ready() returns trigger language plpgsql security definer as $$
begin
    insert into public.faults_stays
    select d.id, d.schema_name, d.queue, d.share, d.rank, clock_timestamp()
    from public.jobs_dispatch d where d.id = new.id and d.state = 'ready';
    return null;
end $$;
create function public.faults_left() returns trigger language plpgsql security definer as $$
begin
    update public.faults_stays set asked_at = statement_timestamp(), began_at = transaction_timestamp(),
        left_at = clock_timestamp(), claimed = tg_op = 'UPDATE' and new.state = 'leased'
    where id = old.id and left_at is null;
    return null;
end $$;
create constraint trigger faults_enqueued after insert on public.jobs_dispatch
    deferrable initially deferred for each row
    when (new.state = 'ready') execute function public.faults_became_ready();
create constraint trigger faults_ripened after update on public.jobs_dispatch
    deferrable initially deferred for each row
    when (new.state = 'ready' and old.state <> 'ready') execute function public.faults_became_ready();
create trigger faults_claimed after update on public.jobs_dispatch for each row
    when (old.state = 'ready' and new.state <> 'ready') execute function public.faults_left();
create trigger faults_ended after delete on public.jobs_dispatch for each row
    when (old.state = 'ready') execute function public.faults_left();
"""
#: Pairs of which the first was claimed while the second stayed, and their priorities differ. The second is the time
#: that a commit may wait for the disk.
_PAIRS = """
select gone.queue, count(*), count(*) filter (where stayed.rank < gone.rank),
    min(gone.id::text || ' before ' || stayed.id::text) filter (where stayed.rank < gone.rank)
from public.faults_stays gone join public.faults_stays stayed
    on stayed.schema_name = gone.schema_name and stayed.queue = gone.queue and stayed.share = gone.share
    and stayed.rank <> gone.rank
where gone.claimed and stayed.ready_at + interval '1 second' < gone.asked_at
    and stayed.began_at > gone.left_at
group by gone.queue
"""


@dataclass(frozen=True)
class Order:
    """Of one queue: how many pairs of jobs were compared, how many the wrong way round, and one of those."""

    queue: str
    pairs: int
    wrong: int
    example: str | None


def watch(audit: Audit) -> None:
    """From now on, write down how long each job is among those that are ready."""
    audit.execute(_WATCH)


def orders(audit: Audit) -> dict[str, Order]:
    """In which order jobs were claimed so far, by queue. Those in which no two could be compared are left out."""
    return {row[0]: Order(*row) for row in audit.rows(_PAIRS)}
