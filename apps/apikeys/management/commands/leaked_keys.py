"""`manage.py leaked_keys VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `leaked_keys.*`."""

    help = "Operations on leaked keys: each verb is a call of the API."
    room = "leaked_keys"
