"""Why a stream is not opened."""

from __future__ import annotations

from apps.core.problems import Forbidden, ServiceUnavailable

_NEW_TICKET = "Ask for a new URL where you got this one."


class StreamTicketInvalid(Forbidden):
    """The URL of the stream is none of this installation, was altered, or is of another tenant than its host."""

    code, title = "stream_ticket_invalid", "This ticket is not good"
    advice = f"Use the URL exactly as it came. {_NEW_TICKET}"


class StreamTicketExpired(Forbidden):
    """The minute within which a stream has to be opened is over. A stream that is open goes on."""

    code, title = "stream_ticket_expired", "This ticket has expired"
    advice = _NEW_TICKET


class StreamsFull(ServiceUnavailable):
    """As many streams are open as the streaming process keeps, or as it keeps for one tenant; or it is stopping."""

    code, title = "streams_full", "No more streams at this moment"
    advice = "Try again after the seconds in Retry-After, or read the thing itself every few seconds."
