"""Organizations, members and roles."""

from django.apps import AppConfig


class OrgsConfig(AppConfig):
    """Organizations, members and roles."""

    name = "apps.orgs"

    def ready(self) -> None:
        """Give people who sign up, or are added, the organization that they act in."""
        from apps.accounts import hooks
        from apps.orgs.founding import join_creators_organization, personal_organization

        hooks.on_sign_up(personal_organization)
        hooks.on_person_added(join_creators_organization)
