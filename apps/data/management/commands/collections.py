"""`manage.py collections VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `collections.*`."""

    help = "Operations on collections: each verb is a call of the API."
    room = "collections"
