"""URLs of clients, consents and signing keys, below /v1/."""

from django.urls import path

from apps.accounts.oauth import clients, grants, signing
from apps.core.endpoints import endpoint

urlpatterns = [
    path("oauth-clients", endpoint(GET=clients.list_oauth_clients, POST=clients.create_oauth_client)),
    path(
        "oauth-clients/<oac:oauth_client_id>",
        endpoint(
            GET=clients.get_oauth_client,
            PATCH=clients.update_oauth_client,
            DELETE=clients.delete_oauth_client,
        ),
    ),
    path(
        "oauth-clients/<oac:oauth_client_id>/rotate-secret",
        endpoint(POST=clients.rotate_oauth_client_secret, status=200),
    ),
    path("oauth-grants", endpoint(GET=grants.list_oauth_grants)),
    path("oauth-grants/<oag:oauth_grant_id>", endpoint(DELETE=grants.revoke_oauth_grant)),
    path("oauth-signing-keys", endpoint(GET=signing.list_signing_keys)),
    path("oauth-signing-keys/rotate", endpoint(POST=signing.rotate_signing_key, status=200)),
]
