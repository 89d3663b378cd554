"""URLs of sign-in providers, below /v1/."""

from django.urls import path

from apps.accounts.signin.providers import services as do
from apps.core.endpoints import endpoint

urlpatterns = [
    path("sign-in-providers", endpoint(GET=do.list_sign_in_providers, POST=do.create_sign_in_provider)),
    path(
        "sign-in-providers/<sip:sign_in_provider_id>",
        endpoint(
            GET=do.get_sign_in_provider,
            PATCH=do.update_sign_in_provider,
            DELETE=do.delete_sign_in_provider,
        ),
    ),
]
