"""What organizations have in collections."""

from __future__ import annotations

from django.db.models import Count

from apps.data.models import Record
from apps.orgs.models import Organization


def collections_with_records(organization: Organization) -> list[str]:
    """What keeps `organization` from being deleted, in words: its records, deleted ones included."""
    rows = Record.objects.filter(organization_id=organization.pk)
    counted = rows.values("collection__name").annotate(many=Count("id")).order_by("collection__name")
    return [f"{row['many']} records in {row['collection__name']}" for row in counted]
