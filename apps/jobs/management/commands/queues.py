"""`manage.py queues VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `queues.*`."""

    help = "Operations on queues: each verb is a call of the API."
    room = "queues"
