"""Principals of a tenant: users, service accounts and agents."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Principals of a tenant: users, service accounts and agents."""

    name = "apps.accounts"
