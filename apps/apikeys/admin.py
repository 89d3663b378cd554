"""Keys in the admin: what is alive, what ends soon, and minting, rotating and revoking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet

from apps.accounts.models import Agent, ServiceAccount, User
from apps.apikeys import services as do
from apps.apikeys.models import Key, KeyIndex
from apps.core import clock
from apps.core.actor import Actor
from apps.core.admin import StoryAdmin, site
from apps.core.admin_actions import Action, act_above, act_on
from apps.core.admin_story import (
    Fact,
    Need,
    Related,
    badge,
    code,
    link,
    relate,
    status_badge,
    story_url,
    watch,
    when,
    words,
)
from apps.tenancy.walls import outside

#: How long before its end a key asks for somebody.
SOON = timedelta(days=14)


@admin.register(Key, site=site)
class KeyAdmin(StoryAdmin):
    """Keys of the organization; never their secrets."""

    reads, reads_one = do.list_keys, do.get_key
    headline = "Keys"
    intro = "What programs and agents show to be let in. A secret is shown once, when it is minted."
    empty = "No keys yet. Mint one: it works at once."
    list_display = ["name", "status_shown", "kind_shown", "holder_shown", "expires_shown", "used_shown"]
    search_fields = ["name"]
    list_filter = ["kind"]
    list_select_related = ["user", "agent", "service_account"]

    def rows(self, actor: Actor) -> QuerySet[Key]:
        """The keys with whose they are."""
        return super().rows(actor).select_related("user", "agent", "service_account")

    @admin.display(description="Status")
    def status_shown(self, row: Key) -> Any:
        """Whether it opens anything."""
        return self.state(row)

    @admin.display(description="Kind")
    def kind_shown(self, row: Key) -> str:
        """The kind."""
        return row.get_kind_display()

    @admin.display(description="Belongs to")
    def holder_shown(self, row: Key) -> Any:
        """Whose it is."""
        return link(do.principal_of(row))

    @admin.display(description="Expires")
    def expires_shown(self, row: Key) -> Any:
        """When it ends."""
        return when(row.index.expires_at)

    @admin.display(description="Last used")
    def used_shown(self, row: Key) -> Any:
        """When it was last shown."""
        return when(row.index.last_used_at)

    def state(self, row: Key) -> Any:
        """Its status, and whether it ends soon."""
        if row.index.is_alive and row.index.expires_at < clock.now() + SOON:
            return badge("Expires soon", "warn")
        return status_badge(row.status)

    def facts(self, row: Key) -> Sequence[Fact]:
        """Whose it is, what it may do, from where and until when."""
        chain = " → ".join(str(link["name"]) for link in row.minters) or "the installation"
        more = [Fact("Revoked", when(row.index.revoked_at))] if row.index.revoked_at else []
        if row.index.previous_until and row.index.previous_until > clock.now():
            more.append(Fact("Previous secret ends", when(row.index.previous_until)))
        return [
            Fact("Belongs to", link(do.principal_of(row))),
            Fact("Kind", row.get_kind_display()),
            Fact("Scopes", words(row.scopes)),
            Fact("Allowed from", words(row.allowed_ips) if row.allowed_ips else "Everywhere"),
            Fact("Minted by", chain),
            Fact("Id", code(row.public_id)),
            Fact("Created", when(row.created_at)),
            Fact("Expires", when(row.index.expires_at)),
            Fact("Last used", when(row.index.last_used_at)),
            *more,
        ]

    def target(self, row: Key) -> dict[str, Any]:
        """Its id."""
        return _key(None, row)


def _key(_actor: Actor | None, row: Key) -> dict[str, Any]:
    return {"key_id": row.pk}


def _is_alive(row: Key) -> bool:
    return row.index.is_alive


def _machines(model: type[Agent | ServiceAccount], nobody: str) -> Any:
    def choices(actor: Actor, _row: Key | None) -> list[tuple[str, str]]:
        rows = model.objects.visible_to(actor).order_by("name")[:200]
        return [("", nobody), *((row.public_id, row.name) for row in rows)]

    return choices


_MINTED = "The key works at once. Its secret is shown once, on the next page, and never again."
_HOW = ("name", "scopes", "expires_in_days", "allowed_ips")

act_above(
    Key,
    Action(
        do.create_key,
        "Mint a key",
        _MINTED,
        initial=lambda _row: {"scopes": "*"},
        fields=("name", "agent", "service_account", *_HOW[1:]),
        choices={
            "agent": _machines(Agent, "No agent"),
            "service_account": _machines(ServiceAccount, "No service account"),
        },
    ),
)
act_on(
    Key,
    Action(
        do.rotate_key,
        "Rotate",
        "The key gets a new secret, shown once on the next page. Id, scopes and expiry stay; "
        "the previous secret works for as many seconds more as you say.",
        _key,
        applies=_is_alive,
    ),
    Action(
        do.revoke_key,
        "Revoke",
        "The key, and every key that was minted with it, is refused in every tenant, at once and for good.",
        _key,
        applies=_is_alive,
    ),
)
act_on(
    Agent,
    Action(
        do.create_agent_key,
        "Mint a key",
        _MINTED,
        lambda _actor, row: {"agent_id": row.pk},
        initial=lambda _row: {"scopes": "*"},
        fields=_HOW,
    ),
)
act_on(
    ServiceAccount,
    Action(
        do.create_service_account_key,
        "Mint a key",
        _MINTED,
        lambda _actor, row: {"service_account_id": row.pk},
        initial=lambda _row: {"scopes": "*"},
        fields=_HOW,
    ),
)


def _keys_of(column: str) -> Any:
    def rows(actor: Actor, row: Any) -> list[list[Any]]:
        found = Key.objects.visible_to(actor).filter(**{column: row.pk}).order_by("-id")[:20]
        return [
            [link(key), status_badge(key.status), when(key.index.expires_at), when(key.index.last_used_at)]
            for key in found
        ]

    return rows


for _model, _column in ((Agent, "agent_id"), (ServiceAccount, "service_account_id"), (User, "user_id")):
    _none = "No keys. Nothing of its can be called until one is minted."
    relate(_model, Related("Keys", ("Key", "Status", "Expires", "Last used"), _keys_of(_column), _none))


def _ending_soon(actor: Actor) -> Iterator[Need]:
    if actor.organization is None:
        return
    alive = {"tenant_id": actor.tenant.id, "organization_id": actor.organization.id, "revoked_at": None}
    with outside():
        ending = KeyIndex.objects.filter(
            **alive, expires_at__gt=clock.now(), expires_at__lt=clock.now() + SOON
        )
        found = list(ending.order_by("expires_at").values_list("id", flat=True)[:5])
    for key in Key.objects.visible_to(actor).filter(pk__in=found) if found else ():
        yield Need(f"Key {key.name} expires {key.index.expires_at:%d %b}", story_url(key))


watch(Key, _ending_soon)
