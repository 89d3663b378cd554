"""What is asked about a decision, and what is answered."""

from __future__ import annotations

from apps.core.operations import Risk
from apps.core.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    DictField,
    JSONField,
    Output,
    StrictSerializer,
)


class Question(StrictSerializer):
    """A call that somebody thinks of making."""

    operation = CharField(max_length=80, help_text="The name of an operation, such as agents.create.")
    resource = CharField(
        default=None,
        allow_null=True,
        max_length=120,
        help_text="What it would act on: an id, a slug or a name.",
    )
    arguments = DictField(default=dict, help_text="The arguments it would be called with.")


class RemedyOutput(Output):
    """What gets further: a command line, an API call, or both."""

    command = CharField(allow_null=True)
    api = JSONField(allow_null=True)


class DecisionOutput(Output):
    """The answer of the gates. `gate` and `rule` are null where nothing objects."""

    decision = ChoiceField(choices=["allow", "deny", "require_approval"])
    gate = CharField(allow_null=True)
    because = CharField()
    rule = CharField(allow_null=True)
    remedy = RemedyOutput(allow_null=True)


class OperationOutput(Output):
    """An operation: a verb of the platform, the scope that it needs and what a mistake with it costs."""

    name = CharField()
    scope = CharField()
    risk = ChoiceField(choices=[risk.value for risk in Risk])
    summary = CharField()
    lists = BooleanField(help_text="Answers pages.")
    versioned = BooleanField(help_text="Honours If-Match.")
    shows_secret = BooleanField(help_text="The answer holds a secret that is shown this once.")
    publishable = BooleanField(help_text="May be called with a publishable key.")


class OperationsOutput(Output):
    """Every operation there is, by name: one page."""

    data = OperationOutput(many=True)  # type: ignore[assignment]
    next_cursor = CharField(allow_null=True)
