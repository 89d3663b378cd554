"""URLs of delegations, below /v1/."""

from django.urls import path

from apps.apikeys.delegations import services as do
from apps.core.endpoints import endpoint

urlpatterns = [
    path("delegations", endpoint(GET=do.list_delegations, POST=do.create_delegation)),
    path("delegations/requests", endpoint(POST=do.request_delegation)),
    path("delegations/<dlg:delegation_id>", endpoint(GET=do.get_delegation, DELETE=do.revoke_delegation)),
    path("delegations/<dlg:delegation_id>/approve", endpoint(POST=do.approve_request, status=200)),
    path("delegations/<dlg:delegation_id>/deny", endpoint(POST=do.deny_request, status=200)),
]
