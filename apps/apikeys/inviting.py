"""What credentials say about an invitation: through which it was sent, and whether those behind it are stopped by now.

Asked when somebody takes the invitation, so that no way of ending a credential can forget it.
"""

from __future__ import annotations

from uuid import UUID

from apps.apikeys import halts, tokens
from apps.apikeys.halts import Behind
from apps.apikeys.models import KeyIndex
from apps.core.actor import Actor, PrincipalKind
from apps.orgs.hooks import Inviting, Origin, use_inviting
from apps.orgs.models import Invitation
from apps.tenancy.walls import outside


def origin(actor: Actor) -> Origin:
    """The key by which `actor` invites, and the marks of everybody behind it: what a key that it minted would say."""
    stamped = tokens.stamp(actor)
    return Origin(stamped.key, stamped.lineage)


def is_stopped(invitation: Invitation) -> bool:
    """True when the inviter or somebody behind their credential is halted, or its key was revoked. Two queries."""
    marks = [UUID(mark) for mark in invitation.lineage]
    if invitation.inviter_id is not None:
        kind = PrincipalKind(invitation.inviter_kind)
        marks.append(Behind(invitation.inviter_home_id, kind, invitation.inviter_id).mark)
    if halts.first_halted(marks) is not None:
        return True
    if invitation.credential_id is None:
        return False
    with outside():
        return KeyIndex.objects.filter(pk=invitation.credential_id, revoked_at__isnull=False).exists()


def register() -> None:
    """Answer the room of invitations."""
    use_inviting(Inviting(origin, is_stopped))
