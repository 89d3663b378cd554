"""`manage.py sessions VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `sessions.*`."""

    help = "Operations on sessions: each verb is a call of the API."
    room = "sessions"
