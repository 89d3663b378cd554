"""`manage.py service_accounts VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `service_accounts.*`."""

    help = "Operations on service accounts: each verb is a call of the API."
    room = "service_accounts"
