"""Decisions, explained."""

from django.apps import AppConfig


class PolicyConfig(AppConfig):
    """Decisions, explained."""

    name = "apps.policy"
