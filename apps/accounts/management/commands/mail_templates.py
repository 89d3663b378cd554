"""`manage.py mail-templates VERB`: the room's operations, as the principal of PACKMULE_KEY."""

from apps.core.room_commands import OperationsCommand


class Command(OperationsCommand):
    """Made out of the operations `mail_templates.*`."""

    help = "Operations on mail templates: each verb is a call of the API."
    room = "mail_templates"
