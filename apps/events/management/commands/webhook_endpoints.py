"""`manage.py webhook_endpoints VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `webhook_endpoints.*`."""

    help = "Operations on webhook endpoints: each verb is a call of the API."
    room = "webhook_endpoints"
