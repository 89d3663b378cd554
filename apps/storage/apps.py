"""Buckets, files and what is made of them."""

from django.apps import AppConfig


class StorageConfig(AppConfig):
    """Files of a tenant, walled by organization."""

    name = "apps.storage"
