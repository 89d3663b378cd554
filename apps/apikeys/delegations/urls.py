"""Pages about delegations, below /accounts/delegations/."""

from django.urls import path

from apps.apikeys.delegations.pages import consent

urlpatterns = [path("<dlg:delegation_id>/", consent, name="delegation_consent")]
