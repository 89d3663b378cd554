"""A tenant's own texts for the mails that its people get."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from apps.core.ids import Identified
from apps.core.models import Versioned
from apps.core.walls import unwalled


@unwalled("configuration of the tenant: every mail is written with it, and only actors of the tenant list it")
class MailTemplate(Identified, Versioned):
    """The tenant's own text for one kind of mail; without a row the platform's own is sent."""

    id_prefix = "mtp"

    kind = models.CharField(max_length=40, unique=True)
    subject = models.CharField(max_length=200)
    text = models.TextField()
    html = models.TextField(blank=True, help_text="Without it, the text is set as HTML")
    sender_name = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[models.Manager[MailTemplate]]

    def __str__(self) -> str:
        return self.kind
