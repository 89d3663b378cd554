"""Mail to people: every kind of it, the tenant's own texts for it, and how it leaves."""

from apps.accounts.mails.sending import send

__all__ = ["send"]
