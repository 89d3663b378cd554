"""`manage.py storage VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `storage.*`."""

    help = "Operations on the storage as a whole: each verb is a call of the API."
    room = "storage"
