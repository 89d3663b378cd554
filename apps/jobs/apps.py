"""Durable background work."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Jobs, the queues they wait in, and what starts them by the clock."""

    name = "apps.jobs"

    def ready(self) -> None:
        """Ring for workers where a broker carries doorbells, and keep schedules going, or end them."""
        from django.conf import settings

        from apps.apikeys.made import on_ended
        from apps.jobs import (
            ending,
            firing,
            forgetting,
            key_turns,
            moving,
            organizations,
            releasing,
            streaming,
            tasks,
        )
        from apps.jobs.turns import register_ringer
        from apps.orgs import hooks
        from apps.tenancy.maintenance import register_chore
        from apps.tenancy.patrol import register_duty
        from apps.tenancy.streaming.sources import register_source

        ending.rest_to(releasing.put)
        register_source(streaming.TOPIC, streaming.Jobs())
        on_ended(firing.stop_those_through)
        on_ended(tasks.end_those_through)
        register_duty(firing.MENDING, work=firing.mend, due=firing.overdue)
        register_duty("old jobs", work=forgetting.forget_old, due=forgetting.due)
        register_chore("turns of keys", every=key_turns.FORGOTTEN_EVERY, work=key_turns.forget)
        hooks.register_blocker(organizations.names_of_jobs)
        hooks.before_deletion(organizations.forget)
        moving.register()

        if settings.PACKMULE_BROKER_URL:
            from apps.jobs.inside.brokers import ring

            register_ringer(ring)
