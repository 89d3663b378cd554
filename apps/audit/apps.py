"""Events of record and the timeline."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Events of record and the timeline."""

    name = "apps.audit"

    def ready(self) -> None:
        """Record every operation, and see what changes in the rooms below."""
        from apps.audit import keys, recorder, tracked

        recorder.register()
        keys.register()
        tracked.track_models()
