"""What templates of the pages for people need: fields, the product's name, and how a browser calls itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from allauth.account.adapter import get_adapter
from django import template
from django.contrib.auth.password_validation import get_default_password_validators
from django.forms import BoundField
from django.template import Context
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from apps.core import clock
from apps.core import scope_texts as texts

register = template.Library()

_CODE = {"inputmode": "text", "autocapitalize": "off", "spellcheck": "false", "autofocus": True}
#: What browsers and password managers want to know of a field, by its name.
_HINTS: dict[str, dict[str, Any]] = {
    "login": {
        "autocomplete": "username",
        "inputmode": "email",
        "autocapitalize": "off",
        "spellcheck": "false",
    },
    "email": {"autocomplete": "email", "inputmode": "email", "autocapitalize": "off", "spellcheck": "false"},
    "code": _CODE,
    "user_code": {**_CODE, "autocomplete": "off", "autocapitalize": "characters"},
}

# In order: Edge and Opera also call themselves Chrome, and everything calls itself Safari.
_BROWSERS = (
    ("Edge", r"\bEdgA?/"),
    ("Opera", r"\bOPR/"),
    ("Firefox", r"\b(Firefox|FxiOS)/"),
    ("Chrome", r"\b(Headless)?(Chrome|CriOS)/"),
    ("Safari", r"\bSafari/"),
    ("curl", r"^curl/"),
)
_SYSTEMS = (
    ("Android", r"\bAndroid\b"),
    ("iPhone", r"\biPhone\b"),
    ("iPad", r"\biPad\b"),
    ("Windows", r"\bWindows\b"),
    ("macOS", r"\bMac OS X\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("Linux", r"\bLinux\b"),
)


@register.simple_tag
def control(field: BoundField, **attributes: Any) -> SafeString:
    """The input of `field`, without allauth's placeholders and with what browsers want to know of such a field."""
    hints = {} if field.is_hidden else _HINTS.get(field.name, {})
    return field.as_widget(attrs={"placeholder": False, **hints, **attributes})


@register.simple_tag(takes_context=True)
def product_name(context: Context) -> str:
    """What the person came for: the product's name, else the tenant's in words; Packmule on the console."""
    product = context.get("product")
    named = getattr(product, "name", None) or (product.get("name") if isinstance(product, dict) else product)
    return str(named) if named else _tenant_name(context).partition("/")[0].replace("-", " ").title()


@register.simple_tag(takes_context=True)
def environment_name(context: Context) -> str:
    """The environment when it is not production, so that nobody takes a trial for the real thing; else nothing."""
    environment = _tenant_name(context).partition("/")[2]
    return "" if environment == "production" else environment


@register.simple_tag(takes_context=True)
def may_sign_up(context: Context) -> bool:
    """True where strangers may sign up, so that nobody is sent to a closed door."""
    return bool(get_adapter().is_open_for_signup(context["request"]))


def _tenant_name(context: Context) -> str:
    tenant = getattr(context.get("request"), "tenant", None)
    name = str(getattr(tenant, "name", ""))
    return "Packmule" if name in ("", "console") else name


@register.simple_tag
def password_rules() -> str:
    """What a new password has to be, in one line; what else is wrong with one is said when it was sent."""
    least = [getattr(rule, "min_length", 0) for rule in get_default_password_validators()]
    return f"At least {max(least, default=1)} characters. A sentence is long enough and easy to remember."


@register.filter
def ago(moment: datetime) -> str:
    """How long ago that was, in words: `5 minutes ago`."""
    past = timesince(moment, clock.now())
    return "just now" if past.startswith("0") else f"{past} ago"


@register.filter
def scope_texts(scopes: Iterable[Any]) -> list[texts.ScopeText]:
    """Scopes in plain language, whether they come as texts or were put into words already."""
    found = list(scopes or ())
    return texts.scope_texts(found) if all(isinstance(one, str) for one in found) else found


@register.filter
def browser(user_agent: str) -> str:
    """A User-Agent header as people call their browser: `Firefox on Linux`."""
    name, system = _first(_BROWSERS, user_agent), _first(_SYSTEMS, user_agent)
    return f"{name or 'A browser'} on {system}" if system else name or user_agent[:60] or "An unknown browser"


def _first(patterns: Iterable[tuple[str, str]], text: str) -> str:
    return next((name for name, pattern in patterns if re.search(pattern, text)), "")
