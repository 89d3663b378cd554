"""The two forms of people: which of the scopes they grant, and the code that a device shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms

from apps.accounts.oauth import scopes
from apps.core.scope_texts import scope_texts


class ScopesForm(forms.Form):
    """What may be granted, each to be ticked or not. `*` is never ticked beforehand."""

    def __init__(self, *args: Any, offered: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        texts = scope_texts(offered)
        self.fields["scopes"] = forms.MultipleChoiceField(
            label="What you allow",
            choices=[(one.name, one.text) for one in texts],
            initial=[one.name for one in texts if one.name != scopes.EVERYTHING],
            widget=forms.CheckboxSelectMultiple,
            error_messages={"required": "Tick what you allow, or deny it."},
        )


class UserCodeForm(forms.Form):
    """The code that a device shows."""

    user_code = forms.CharField(
        label="Code",
        max_length=20,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "autocapitalize": "characters",
                "spellcheck": "false",
                "autofocus": True,
            }
        ),
    )
