"""Buckets, files and what is made of them."""

from django.apps import AppConfig


class StorageConfig(AppConfig):
    """Files of a tenant, walled by organization."""

    name = "apps.storage"

    def ready(self) -> None:
        """Register what the worker does about files, what keeps an organization, and what moves with a tenant."""
        from apps.core.serving import before_serving
        from apps.orgs.hooks import register_blocker
        from apps.storage import beginning, blobs, chores, deriving, moving
        from apps.storage.querysets import names_of_files
        from apps.storage.stores import proof
        from apps.tenancy.maintenance import register_chore
        from apps.tenancy.patrol import register_duty

        register_duty("lifecycle of files", work=chores.keep, due=chores.due)
        register_chore("broken uploads", every=chores.TIDIED_EVERY, work=chores.tidy)
        before_serving(proof.objection)
        before_serving(beginning.begin_quietly)
        register_blocker(names_of_files)
        blobs.register_derived(deriving.keys_of)
        moving.register()
