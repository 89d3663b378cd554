"""URLs of organizations and their members, below /v1/."""

from django.urls import path

from apps.core.endpoints import endpoint
from apps.orgs import members, services

_ONE = "organizations/<org:organization_id>"

urlpatterns = [
    path("organizations", endpoint(GET=services.list_organizations, POST=services.create_organization)),
    path(
        _ONE,
        endpoint(
            GET=services.get_organization,
            PATCH=services.update_organization,
            DELETE=services.delete_organization,
        ),
    ),
    path(f"{_ONE}/members", endpoint(GET=members.list_members, POST=members.add_member)),
    path(
        f"{_ONE}/members/<mem:membership_id>",
        endpoint(GET=members.get_member, PATCH=members.update_member, DELETE=members.remove_member),
    ),
]
