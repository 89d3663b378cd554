"""`manage.py oauth-clients VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `oauth_clients.*`."""

    help = "Operations on OAuth clients: each verb is a call of the API."
    room = "oauth_clients"
