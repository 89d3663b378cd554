"""What goes in and out when jobs are run again."""

from apps.core.serializers import (
    BooleanField,
    ChoiceField,
    IntegerField,
    Output,
    StrictSerializer,
    TimestampField,
)
from apps.jobs.fields import KindField, QueueField
from apps.jobs.states import JobState

_DEPENDENTS = "Whether what is dead because of it waits for it again."


class JobRetryInput(StrictSerializer):
    """How a job is run again."""

    dependents = BooleanField(default=False, help_text=_DEPENDENTS)


class RedriveInput(StrictSerializer):
    """Which jobs are run again: those that match all that is said."""

    queue = QueueField(required=False)
    kind = KindField(required=False)
    state = ChoiceField(
        choices=[choice for choice in JobState.choices if choice[0] in ("dead", "cancelled", "expired")],
        default=JobState.DEAD.value,
    )
    since = TimestampField(required=False, help_text="Only those that ended after it.")
    limit = IntegerField(min_value=1, max_value=10_000, default=1000)
    dependents = BooleanField(default=False, help_text=_DEPENDENTS)


class RedriveOutput(Output):
    """How many jobs run again, and how many are left that match."""

    redriven = IntegerField()
    left = IntegerField()
