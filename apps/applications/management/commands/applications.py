"""`manage.py applications VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `applications.*`."""

    help = "Operations on applications: each verb is a call of the API."
    room = "applications"
