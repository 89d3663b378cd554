"""`manage.py oauth-signing-keys VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `oauth_signing_keys.*`."""

    help = "Operations on OAuth signing keys: each verb is a call of the API."
    room = "oauth_signing_keys"
