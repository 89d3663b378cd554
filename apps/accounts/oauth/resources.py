"""The `resource` of a request (RFC 8707): only the API of the tenant that is asked."""

from __future__ import annotations

from allauth.idp.oidc.internal.resources import InvalidTargetError, validate_resources
from django.core.exceptions import ValidationError
from django.http import QueryDict


def read_resources(parameters: QueryDict) -> None:
    """Raise InvalidTargetError unless every `resource` that is named is the tenant's own API."""
    try:
        validate_resources(parameters.getlist("resource"))
    except (ValidationError, ValueError) as refusal:
        said = refusal.messages[0] if isinstance(refusal, ValidationError) else "It is no address."
        raise InvalidTargetError(description=said) from None
