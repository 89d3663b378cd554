"""`manage.py event_types VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `event_types.*`."""

    help = "Operations on types of events: each verb is a call of the API."
    room = "event_types"
