"""`manage.py delegations VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `delegations.*`."""

    help = "Operations on delegations: each verb is a call of the API."
    room = "delegations"
