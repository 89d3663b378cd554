"""The mail backend of an installation that names no mail server: files, and a line on stderr for each."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from apps.accounts.mails import store

logger = logging.getLogger("packmule.mail")


class FileAndConsoleBackend(BaseEmailBackend):
    """Keeps each mail in `<data directory>/mail/<tenant>/`; the log names recipient, subject and file, no body.

    Bodies hold links and codes that open an account, and logs travel further than the data directory.
    """

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Keep them all and return how many could be. Raises OSError when none could and failing is not silent."""
        kept = [mail for mail in email_messages if self._keep(mail)]
        if len(kept) < len(email_messages) and not self.fail_silently:
            raise OSError("A mail could not be written into the data directory.")
        return len(kept)

    def _keep(self, mail: EmailMessage) -> bool:
        file = store.keep(getattr(mail, "tenant_name", ""), mail)
        if file is not None:
            logger.info("mail to %s: “%s” in %s", ", ".join(mail.recipients()), mail.subject, file)
        return file is not None
