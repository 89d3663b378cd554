"""`manage.py hand-offs VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `hand_offs.*`."""

    help = "Operations on hand-offs: each verb is a call of the API."
    room = "hand_offs"
