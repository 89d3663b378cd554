"""`manage.py deliveries VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `deliveries.*`."""

    help = "Operations on deliveries: each verb is a call of the API."
    room = "deliveries"
