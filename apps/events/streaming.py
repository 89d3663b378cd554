"""Streams of the event log: a ticket, and where the streaming process sees that there are new events.

The registry knows nothing of events, and to tell it of each would make operations of a tenant wait for one another.
So every log that anybody watches is entered once a second, within the wall of who watches, for one row of an index.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from typing import Final

from django.db import connection

from apps.core.actor import Actor
from apps.core.operations import Risk, operation
from apps.tenancy.models import Tenant
from apps.tenancy.streaming import tickets
from apps.tenancy.streaming.serializers import StreamOutput
from apps.tenancy.streaming.sources import Subject
from apps.tenancy.walls import enter

TOPIC: Final = "events"
# The output has another name than the column: `order by` would take the text otherwise.
_NEWEST = """
select xid::text as written, id from events_event where xid < pg_snapshot_xmin(pg_current_snapshot())
order by xid desc, id desc limit 1
"""
_NEWEST_OF_ORGANIZATION = """
select xid::text as written, id from events_event
where organization_id = %s and xid < pg_snapshot_xmin(pg_current_snapshot())
order by xid desc, id desc limit 1
"""


@operation("events.stream", scope="events:read", risk=Risk.READ, output=StreamOutput, shows_secret=True)
def stream_events(actor: Actor) -> tickets.Issued:
    """Answer a URL that says by server-sent events whenever there are new events, for an EventSource to open.

    It has to be opened within a minute, needs no other credential, and ends after ten minutes. Which events is not
    said: read on from your cursor then. An actor of an organization hears of its organization's events.
    """
    return tickets.issue(actor, TOPIC)


class Events:
    """Logs, each as one tenant or one organization sees it."""

    pause = 1.0

    def look(self, subjects: Collection[Subject]) -> Mapping[Subject, Hashable]:
        """The newest event that can be read, for each log whose tenant is still there."""
        asked = {subject.tenant.id for subject in subjects}
        there = set(Tenant.objects.active().filter(pk__in=asked).values_list("pk", flat=True))
        return {subject: _newest(subject) for subject in subjects if subject.tenant.id in there}


def _newest(subject: Subject) -> Hashable:
    organization = subject.organization
    with enter(subject.tenant, organization), connection.cursor() as cursor:
        if organization is None:
            cursor.execute(_NEWEST)
        else:
            cursor.execute(_NEWEST_OF_ORGANIZATION, [organization])
        return cursor.fetchone() or ()
