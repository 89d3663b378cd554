"""The statements that claim: whose turn it is, what it may have now, and what of it is leased or set aside.

One of them is enough where nothing is counted: a lane without limits, and jobs without concurrency keys. A statement
that waited for a row sees that row as it is now and all others as they were, so that counts would be old: where
there is something to count, the lane is locked by a statement of its own, and another one counts and claims.
They are prepared, so that each is planned once.
"""

from __future__ import annotations

from typing import Final

from apps.core.clock import NOW_SQL

#: So many rows are looked at for those of keys that are full, which are set aside at once.
_CROWD: Final = 500
#: The same in a statement that begins with it.
_NOW, _CLOCK = "(table clock)", f"clock as (select {NOW_SQL})"
#: Turns are made anew from the rows, and whoever claims begins an attempt next, whose commit waits for the disk and
#: takes this one's along: that a crash forgets it harms nobody. Not where it would be a larger transaction's.
SOFT: Final = "case when %(alone)s then set_config('synchronous_commit', 'off', true) end"
_LEASED: Final = """(select count(*) from public.jobs_dispatch b
        where b.state = 'leased' and b.schema_name = {turn}.schema_name and b.queue = {turn}.queue{more})"""
LANE_LEASED: Final = _LEASED.format(turn="l", more="")
SHARE_LEASED: Final = _LEASED.format(turn="s", more=" and b.share = s.share")
#: How many of a key are in flight in the share of a `turn`.
IN_FLIGHT: Final = _LEASED.format(
    turn="{turn}", more=" and b.share = {turn}.share and b.concurrency_key = {key}"
)
_KEY_LEASED = IN_FLIGHT.format(turn="s", key="r.concurrency_key")
_FREE = f"coalesce({{turn}}.blocked_until <= {_NOW}, true)"
#: How many more the rate limit lets through now; GCRA with the burst as its tolerance. Times are kept to the
#: microsecond: one that was rounded up takes no place away.
_BY_RATE = (
    f"case when {{rate}} is not null then {{burst}} - "
    f"ceil(greatest(extract(epoch from {{turn}}.tat - {_NOW}) - 1e-6, 0) / {{rate}}) end"
)
#: The same of a key, whose turn is `t`, or is not there.
BY_KEY_RATE: Final = _BY_RATE.format(turn="t", rate="l.key_rate", burst="l.key_burst")
#: Of a tenant whose receivers have all that one tenant may have, no lane is asked that would send them more; and none
#: at all by a process whose threads wait for receivers already, but for one.
_ANY_LANE = f"""
    select l.* from public.jobs_lane l
    where l.runner = 'platform' and l.active and not l.paused and {_FREE.format(turn="l")}
      and not (l.outgoing and (%(senders)s < 1 or l.schema_name in (
        select b.schema_name from public.jobs_dispatch b where b.state = 'leased' and b.outgoing
        group by b.schema_name having count(*) >= %(outgoing)s)))
    order by l.virtual_time limit 1 for no key update skip locked"""  # noqa: S608 - made of constants
_THAT_LANE = f"""
    select l.* from public.jobs_lane l
    where l.schema_name = %(schema)s and l.queue = %(queue)s and l.runner = 'client' and not l.paused
      and {_FREE.format(turn="l")}
    for no key update"""  # noqa: S608 - made of constants
_LOCKED_LANE = f"""
    select l.* from public.jobs_lane l
    where l.id = %(lane)s and not l.paused and {_FREE.format(turn="l")}"""  # noqa: S608 - made of constants
#: What a lane and its share may have beside what their rates let through, where that is counted; elsewhere: nothing.
_COUNTED = f""",
        case when l.max_in_flight is not null then l.max_in_flight - {LANE_LEASED} end,
        case when l.share_max_in_flight is not null then l.share_max_in_flight - {SHARE_LEASED} end,
        case when l.outgoing then least(%(senders)s, %(outgoing)s - (
            select count(*) from public.jobs_dispatch b
            where b.state = 'leased' and b.outgoing and b.schema_name = l.schema_name)) end"""  # noqa: S608 - made of constants
_IS_COUNTED = "(l.max_in_flight is not null or l.share_max_in_flight is not null or l.outgoing)"
_UNCOUNTED = f", case when {_IS_COUNTED} then 0 end"
#: Which of the ready rows `r` to lease: those whose key lets them; and where that is not counted: all, if none has one.
_FITS = f"""r.concurrency_key = '' or l.key_max_in_flight >= {_KEY_LEASED}
        + row_number() over (partition by r.concurrency_key order by r.rank, r.id)"""
#: The same where keys have a rate.
_FITS_BY_RATE = f"""r.concurrency_key = '' or least({BY_KEY_RATE}, l.key_max_in_flight - {_KEY_LEASED})
        >= row_number() over (partition by r.concurrency_key order by r.rank, r.id)"""
_TURN_OF_KEY = "left join public.jobs_key_turn t using (schema_name, queue, share, concurrency_key)"
_HAS_KEY = "exists (select from ready k where k.concurrency_key <> '')"
_READY = """from public.jobs_dispatch d
        where d.state = 'ready' and d.schema_name = s.schema_name and d.queue = s.queue and d.share = s.share
        order by d.rank, d.id"""
_CLAIM = f"""
with {_CLOCK}, lane as ({{lane}}
), share as (
    select s.* from lane l join public.jobs_share s using (schema_name, queue)
    where s.active and {_FREE.format(turn="s")} and (%(share)s::uuid is null or s.share = %(share)s)
    order by s.virtual_time limit 1 for no key update of s
), room as (
    select least(
        %(limit)s,
        {_BY_RATE.format(turn="l", rate="l.rate", burst="l.burst")},
        {_BY_RATE.format(turn="s", rate="l.share_rate", burst="l.share_burst")}{{more}}
    ) as free from lane l, share s
), ready as materialized (
    select r.* from share s, room, lateral (
        select d.id, d.concurrency_key, d.rank {_READY} limit greatest(room.free, 0) for update skip locked) r
), judged as materialized (
    select r.id, {{fits}} as fits from ready r cross join lane l join share s using (schema_name, queue) {{those}}
), moved as (
    update public.jobs_dispatch d set
        state = case when m.fits then 'leased' else 'held' end,
        token = case when m.fits then gen_random_uuid() end,
        touched_at = case when m.fits then {_NOW} else d.touched_at end,
        leased_until = case when m.fits
            then {_NOW} + make_interval(secs => coalesce(%(seconds)s, l.lease_seconds)) end,
        outgoing = m.fits and l.outgoing
    from lane l, judged m where d.id = m.id
    returning d.id, d.token, d.leased_until, d.rank, d.outgoing, d.ends_at
), served as (
    select count(token) as taken, count(*) - count(token) as held,
        greatest(count(token), least(count(*), 1)) as cost
    from moved
), share_served as (
    update public.jobs_share s set virtual_time = s.virtual_time + n.cost,
        tat = case when l.share_rate is not null
            then greatest(s.tat, {_NOW}) + make_interval(secs => n.taken * l.share_rate) end,
        blocked_until = case when l.share_rate is not null
            then greatest(s.tat, {_NOW}) + make_interval(secs => (n.taken - l.share_burst + 1) * l.share_rate) end
    from share p, lane l, served n where s.id = p.id and n.cost > 0
), lane_served as (
    update public.jobs_lane l set virtual_time = l.virtual_time + n.cost / p.weight::float,
        tat = case when p.rate is not null
            then greatest(l.tat, {_NOW}) + make_interval(secs => n.taken * p.rate) end,
        blocked_until = case when p.rate is not null
            then greatest(l.tat, {_NOW}) + make_interval(secs => (n.taken - p.burst + 1) * p.rate) end
    from lane p, served n where l.id = p.id and n.cost > 0
)
select l.id, l.schema_name, l.queue, s.id, s.share, t.id, t.token, t.leased_until,
    {{again}}, (select {SOFT}), t.outgoing, t.ends_at
from lane l left join share s on true left join moved t on t.token is not null order by t.rank, t.id
"""  # noqa: S608 - made of constants


def _packed(statement: str) -> str:
    """In one line: what the driver read in a statement it keeps if that has no more than 4,096 characters."""
    return " ".join(statement.split()).replace(" = ", "=").replace(", ", ",")


_QUICK: Final = {
    "more": _UNCOUNTED,
    "fits": "true",
    "those": f"where not {_HAS_KEY}",
    "again": f"({_IS_COUNTED} or {_HAS_KEY})",
}
_CAREFUL: Final = {"more": _COUNTED, "fits": _FITS, "those": "", "again": "(select held > 0 from served)"}
_CAREFUL_OF_RATES: Final = _CAREFUL | {"fits": _FITS_BY_RATE, "those": _TURN_OF_KEY}
#: Of all lanes of the platform the one whose turn it is; and one that is named, of the product's own workers. Their
#: ninth column says that there is something to count: they claim nothing then, and LOCK_LANE and CLAIM_LOCKED do.
CLAIM_ANY: Final = _packed(_CLAIM.format(lane=_ANY_LANE, **_QUICK))
CLAIM_THAT: Final = _packed(_CLAIM.format(lane=_THAT_LANE, **_QUICK))
LOCK_LANE: Final = f"""
select outgoing, schema_name, queue, key_rate is not null, {SOFT}
from public.jobs_lane where id = %(lane)s for no key update
"""  # noqa: S608 - made of constants
#: The same of a lane that is named.
LOCK_THAT_LANE: Final = f"""
select {SOFT} from public.jobs_lane where schema_name = %(schema)s and queue = %(queue)s for no key update
"""  # noqa: S608 - made of constants
#: One after the other of those who take from several lanes of a tenant what they count together.
ALONE_IN_TENANT: Final = (
    "select pg_advisory_xact_lock(hashtextextended('packmule outgoing ' || %(schema)s, 0))"
)
#: Its ninth column says that something was set aside, which SET_ASIDE is to follow in the same transaction.
CLAIM_LOCKED: Final = _packed(_CLAIM.format(lane=_LOCKED_LANE, **_CAREFUL))
#: The same where keys have a rate: what was claimed is to be charged to them in the same transaction.
CLAIM_KEYED: Final = _packed(_CLAIM.format(lane=_LOCKED_LANE, **_CAREFUL_OF_RATES))
#: For a share in which a claim came upon a key that is full, or whose rate is used up.
SET_ASIDE: Final = f"""
with share as materialized (
    select s.* from public.jobs_share s where s.id = %(share)s for no key update
), crowd as materialized (
    select c.* from share s, lateral (select d.id, d.concurrency_key {_READY} limit {_CROWD}) c
), full_keys as materialized (
    select r.concurrency_key from (select distinct concurrency_key from crowd where concurrency_key <> '') r, share s
    join public.jobs_lane l using (schema_name, queue) where l.key_max_in_flight <= {_KEY_LEASED}
        or (l.key_rate is not null and exists (select from public.jobs_key_turn t where t.schema_name = s.schema_name
            and t.queue = s.queue and t.share = s.share and t.concurrency_key = r.concurrency_key
            and t.blocked_until is not null))
), aside as materialized (
    select d.id from crowd c join full_keys using (concurrency_key) join public.jobs_dispatch d on d.id = c.id
    where d.state = 'ready' for update of d skip locked
)
update public.jobs_dispatch d set state = 'held' from aside a where d.id = a.id
"""  # noqa: S608 - made of constants
