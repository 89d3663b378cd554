"""What is refused about settings of sign-in, and about sessions."""

from apps.core.problems import NotFound, ValidationFailed


class FrontendUrlUnfit(ValidationFailed):
    """An address of the product's own pages that could lead people, with a key or token, to anybody."""

    code, title = "frontend_url_unfit", "People cannot be sent to that address"
    advice = (
        "Name an https address of the product; http on localhost will do where the tenant is not protected."
    )


class SharedOrganizationMissing(ValidationFailed):
    """People would get a seat in an organization that nobody named, or that is not there."""

    code, title = "shared_organization_missing", "There is no such organization to share"
    advice = "Send shared_organization with the id of one of this tenant's organizations."


class SessionUnknown(NotFound):
    """The session is over, or somebody else's."""

    code, title = "session_unknown", "There is no such session of yours"
    advice = "List yours with GET /v1/sessions."
