"""What goes wrong between this server and a provider, in words for the person who waits, and for the log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from jwt import PyJWTError
from requests import RequestException

from apps.core.outbound import AddressRefused, OutboundError, UrlRefused
from apps.core.sealing import SealError

NOT_OURS = "Its address is none that this server may call. Those who run this product have to correct it."
UNREACHABLE = "It cannot be reached at the moment, or takes too long. Try again in a few minutes."
UNREADABLE = (
    "It answered in a way that is not accepted here. If that stays so, tell those who run this product."
)
UNPROVEN = "This product cannot prove who it is there. Those who run it have to set the client secret again."


class ProviderFailed(OAuth2Error):  # type: ignore[misc] # noqa: N818 - said as a sentence
    """A provider could not be called, or answered what cannot be believed.

    `said` is for the person who wants to sign in; the text is for the log, and holds no secret and no token.
    """

    def __init__(self, said: str, because: str) -> None:
        super().__init__(because)
        self.said = said


@contextmanager
def hearing() -> Iterator[None]:
    """Raise ProviderFailed for whatever comes of calling a provider and reading its answers.

    A provider may answer anything at all, and what cannot be read is its failure and not ours.
    """
    try:
        yield
    except ProviderFailed:
        raise
    except (AddressRefused, UrlRefused) as refusal:
        raise ProviderFailed(NOT_OURS, str(refusal)) from None
    except OutboundError as failure:
        raise ProviderFailed(UNREACHABLE, str(failure)) from None
    except SealError as failure:
        raise ProviderFailed(UNPROVEN, str(failure)) from None
    except (
        RequestException,
        OAuth2Error,
        PyJWTError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
    ) as odd:
        raise ProviderFailed(UNREADABLE, f"its answer could not be used: {type(odd).__name__}") from None
