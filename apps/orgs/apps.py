"""Organizations, members, roles, teams and invitations."""

from django.apps import AppConfig


class OrgsConfig(AppConfig):
    """Organizations, members and roles."""

    name = "apps.orgs"

    def ready(self) -> None:
        """Give people who sign up the organization that they act in."""
        from apps.accounts import hooks
        from apps.accounts.roles import use_custom_roles
        from apps.accounts.signin.invited import use_invitations
        from apps.orgs.founding import give_first_organization
        from apps.orgs.joining import accept, peek_invitation
        from apps.orgs.owners import keep_an_owner
        from apps.orgs.roles import read_custom_roles

        hooks.on_sign_up(give_first_organization)
        use_invitations(peek_invitation, accept)
        hooks.on_suspended(keep_an_owner)
        use_custom_roles(read_custom_roles)
