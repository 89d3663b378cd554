"""What goes out about streams."""

from apps.core.serializers import CharField, Output, TimestampField


class StreamOutput(Output):
    """Where to listen, and until when the stream has to be opened."""

    url = CharField(help_text="For an EventSource. Whoever holds it may open it.")
    expires_at = TimestampField()
