"""What is refused about sign-in providers."""

from apps.core.problems import Conflict, ValidationFailed


class SignInProviderTaken(Conflict):
    """There is a provider with that slug in this tenant."""

    code, title = "sign_in_provider_taken", "There is a sign-in provider with that slug already"
    advice = "Change that one, or choose another slug: it is part of the address that people come back to."


class TooManySignInProviders(Conflict):
    """The tenant has as many providers as a sign-in page can sensibly show."""

    code, title = "too_many_sign_in_providers", "There are too many sign-in providers"
    advice = "Delete one that nobody uses."


class ServerUrlUnfit(ValidationFailed):
    """The address of an OpenID provider is no issuer that this server could or would call."""

    code, title = "server_url_unfit", "That cannot be the address of a provider"
    advice = (
        "Name the issuer as the provider's own documentation does: https, on the public internet, without query or "
        "fragment. http on localhost will do in an environment that is not protected."
    )


class SignInProviderShapeRefused(ValidationFailed):
    """Kind, server, secret and scopes of a provider do not go together."""

    code, title = "sign_in_provider_shape_refused", "These do not go together in one sign-in provider"
    advice = "See docs/sign-in-providers.md for what each kind takes."
