"""`manage.py event_settings VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `event_settings.*`."""

    help = "Operations on how long events are kept: each verb is a call of the API."
    room = "event_settings"
