"""The event log."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """What happened in a tenant, for whoever wants to hear of it."""

    name = "apps.events"

    def ready(self) -> None:
        """Tell of every operation, forget what is old, and say what of the log moves and what is documented."""
        from apps.core import reference
        from apps.events import log, pages, retention, streaming
        from apps.events.webhooks import models, upkeep  # noqa: F401 - no other start-up code needs their tables
        from apps.tenancy.patrol import register_duty
        from apps.tenancy.streaming.sources import register_source
        from apps.tenancy.transfer import contents

        log.register()
        register_source(streaming.TOPIC, streaming.Events())
        register_duty("old events", work=retention.forget_in_tenant, due=retention.due)
        register_duty(upkeep.DUTY, work=upkeep.look_after, due=upkeep.due)
        contents.make_anew("events.event", "xid")
        reference.register_page(pages.PATH, pages.text)
