"""Durable background work."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Jobs, the queues they wait in, and what starts them by the clock."""

    name = "apps.jobs"

    def ready(self) -> None:
        """Ring for workers where a broker carries doorbells, and keep schedules going, or end them."""
        from django.conf import settings

        from apps.apikeys.made import on_ended
        from apps.jobs import firing, forgetting, moving, organizations, streaming
        from apps.jobs.turns import register_ringer
        from apps.orgs import hooks
        from apps.tenancy.maintenance import in_every_tenant, register_chore
        from apps.tenancy.streaming.sources import register_source

        register_source(streaming.TOPIC, streaming.Jobs())
        on_ended(firing.stop_those_through)
        register_chore("lost firings", every=firing.MENDED_EVERY, work=in_every_tenant(firing.mend))
        register_chore("old jobs", every=forgetting.EVERY, work=in_every_tenant(forgetting.forget_old))
        hooks.register_blocker(organizations.names_of_jobs)
        hooks.before_deletion(organizations.forget)
        moving.register()

        if settings.PACKMULE_BROKER_URL:
            from apps.jobs.inside.brokers import ring

            register_ringer(ring)
