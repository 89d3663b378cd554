"""Pages about who acts for a person, below /accounts/."""

from django.urls import path

from apps.apikeys.delegations.access import access
from apps.apikeys.delegations.pages import consent

urlpatterns = [
    path("access/", access, name="account_access"),
    path("delegations/<dlg:delegation_id>/", consent, name="delegation_consent"),
]
