"""`manage.py sign-in-settings VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `sign_in_settings.*`."""

    help = "Operations on sign in settings: each verb is a call of the API."
    room = "sign_in_settings"
