"""`manage.py sign-in-providers VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `sign_in_providers.*`."""

    help = "Operations on sign-in providers: each verb is a call of the API."
    room = "sign_in_providers"
