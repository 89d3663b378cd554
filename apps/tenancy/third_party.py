"""The walls of tables that other people's apps bring."""

from apps.core.walls import Declaration, declare

_WHY = {
    "contenttypes.contenttype": "definitions of the code, the same for everybody",
    "sessions.session": "found by a secret key only; no view lists them",
    "account.emailaddress": "allauth asks by the person who is signed in or signing in",
    "account.emailconfirmation": "found by a secret key only",
    "admin.logentry": "the admin shows a person their own entries",
    "mfa.authenticator": "allauth asks by the person who is signed in or signing in",
    "usersessions.usersession": "allauth shows a person their own sessions",
    "socialaccount.socialapp": "nothing writes it; the table is what others of allauth refer to",
    "socialaccount.socialtoken": "nothing writes it; deleting an account asks for it",
    "socialaccount.socialaccount": "allauth asks by the person, or by what the provider vouches for",
    "allauth_idp_oidc.client": "found by its id; operations show an organization's actor only what it may manage",
    "allauth_idp_oidc.token": "found by its hash only",
}


def declare_walls() -> None:
    """Say for each of them that it belongs to the tenant as a whole, and who may see its rows."""
    for label, why in _WHY.items():
        declare(label, Declaration(None, why))
