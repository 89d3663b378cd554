"""Places for long work: some threads are left for calls, and one tenant never has all that are not."""

from __future__ import annotations

from uuid import uuid4

from django.conf import LazySettings

from apps.storage.stores.places import Places


def test_one_tenant_never_has_the_places_of_all_kinds(settings: LazySettings) -> None:
    settings.PACKMULE_STORAGE_TRANSFERS = 5
    greedy, other = uuid4(), uuid4()
    kinds = [Places(lambda: 5), Places(lambda: 5)]
    taken = [(places, greedy) for places in kinds for _ in range(3) if places.take(greedy)]
    assert len(taken) == 4
    assert kinds[0].take(other)
    assert not kinds[1].take(uuid4())
    for places, tenant in [*taken, (kinds[0], other)]:
        places.give_back(tenant)
    assert kinds[1].take(other)
    kinds[1].give_back(other)


def test_what_is_taken_inside_of_others_is_not_counted_twice(settings: LazySettings) -> None:
    settings.PACKMULE_STORAGE_TRANSFERS = 1
    tenant, outer, inner = uuid4(), Places(lambda: 1), Places(lambda: 1, inside=True)
    assert outer.take(tenant)
    assert inner.take(tenant)
    inner.give_back(tenant)
    outer.give_back(tenant)
