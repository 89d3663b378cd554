"""`manage.py members VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `members.*`."""

    help = "Operations on members: each verb is a call of the API."
    room = "members"
