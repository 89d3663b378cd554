"""What a tenant says about itself as an authorization server and as a protected resource, below /.well-known/."""

from __future__ import annotations

from typing import Any

from allauth.core.internal import jwkkit
from allauth.idp.oidc.adapter import get_adapter
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from apps.accounts.oauth import audiences, scopes
from apps.accounts.oauth.serializers import GRANTS
from apps.core.operations import all_operations

_SECRETS = ["client_secret_basic", "client_secret_post"]
_KEPT = "public, max-age=3600"
DOCS = "/docs/oauth.md"


@require_safe
def authorization_server(request: HttpRequest) -> HttpResponse:
    """RFC 8414, and as OpenID Connect has it. Clients are registered below /v1, not by themselves or a document."""
    issuer = audiences.issuer(request)

    def at(name: str) -> str:
        return issuer + reverse(name)

    return _public(
        {
            "issuer": issuer,
            "authorization_endpoint": at("oauth_authorize"),
            "token_endpoint": at("oauth_token"),
            "device_authorization_endpoint": at("oauth_device_code"),
            "revocation_endpoint": at("oauth_revoke"),
            "introspection_endpoint": at("oauth_introspect"),
            "userinfo_endpoint": at("oauth_userinfo"),
            "jwks_uri": at("oauth_jwks"),
            "scopes_supported": _scopes(),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": list(GRANTS.values()),
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": [*_SECRETS, "none"],
            "revocation_endpoint_auth_methods_supported": [*_SECRETS, "none"],
            "introspection_endpoint_auth_methods_supported": _SECRETS,
            "id_token_signing_alg_values_supported": ["RS256"],
            "subject_types_supported": ["public"],
            "claims_supported": [
                "sub",
                "iss",
                "aud",
                "exp",
                "iat",
                "nonce",
                "name",
                "email",
                "email_verified",
            ],
            "prompt_values_supported": ["none", "consent"],
            "authorization_response_iss_parameter_supported": True,
            "client_id_metadata_document_supported": False,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
            "claims_parameter_supported": False,
            "protected_resources": [audiences.api_url(request)],
            "service_documentation": issuer + DOCS,
        }
    )


@require_safe
def protected_resource(request: HttpRequest) -> HttpResponse:
    """RFC 9728: the API at this address, and who gives tokens for it.

    A client holds `resource` against the address that it asked about: the API's, or the whole host's.
    """
    issuer = audiences.issuer(request)
    whole_host = not request.path_info.endswith(audiences.API_PATH)
    return _public(
        {
            "resource": issuer if whole_host else audiences.api_url(request),
            "authorization_servers": [issuer],
            "scopes_supported": [scope for scope in _scopes() if scope not in scopes.IDENTITY],
            "bearer_methods_supported": ["header"],
            "resource_name": f"Packmule ({request.tenant.name})",  # type: ignore[attr-defined]
            "resource_documentation": issuer + DOCS,
        }
    )


@require_safe
def jwks(_request: HttpRequest) -> HttpResponse:
    """The public parts of the keys that sign the tenant's id tokens."""
    adapter = get_adapter()
    keys = [jwkkit.load_jwk_from_pem(key.pem)[0] for key in adapter.list_private_keys(is_active=True)]
    return _public({"keys": keys})


def _scopes() -> list[str]:
    known = {str(one.scope) for one in all_operations()}
    return [*scopes.IDENTITY, scopes.EVERYTHING, *sorted(known)]


def _public(document: dict[str, Any]) -> HttpResponse:
    return JsonResponse(document, headers={"Access-Control-Allow-Origin": "*", "Cache-Control": _KEPT})
