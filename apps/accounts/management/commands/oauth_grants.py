"""`manage.py oauth-grants VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `oauth_grants.*`."""

    help = "Operations on OAuth grants: each verb is a call of the API."
    room = "oauth_grants"
