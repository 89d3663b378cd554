"""`manage.py invitations VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `invitations.*`."""

    help = "Operations on invitations: each verb is a call of the API."
    room = "invitations"
