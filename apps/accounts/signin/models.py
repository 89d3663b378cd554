"""How people get into a tenant: one row that the tenant sets, and the defaults where it set nothing."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from apps.core.ids import Identified
from apps.core.models import Versioned
from apps.core.walls import unwalled
from apps.tenancy.walls import current_kind

#: Ways to sign in that a tenant may offer.
METHODS = ("password", "code", "passkey", "social")
HOURS = 14 * 24


class SignUp(models.TextChoices):
    """Who may make an account by themselves."""

    OPEN = "open", "Everybody"
    INVITED = "invited", "Who was invited"
    CLOSED = "closed", "Nobody"


class NewPeopleGet(models.TextChoices):
    """The organization that who signs up gets."""

    PERSONAL = "personal", "One of their own"
    SHARED = "shared", "A seat in a shared one"
    NONE = "none", "None"


def all_methods() -> list[str]:
    """Every way to sign in: what is offered unless the tenant says otherwise."""
    return list(METHODS)


@unwalled("configuration of the tenant: every sign-in reads it, and only actors of the tenant are shown it")
class SignInSettings(Identified, Versioned):
    """How people sign up and in here; without a row the defaults count. `sign_up` '' is the default of the tenant."""

    id_prefix = "sis"

    # One row: the constraint makes a second first one lose, whoever comes at the same time.
    only = models.BooleanField(default=True, unique=True, editable=False)
    sign_up = models.CharField(max_length=10, choices=SignUp, blank=True)
    new_people_get = models.CharField(max_length=10, choices=NewPeopleGet, default=NewPeopleGet.PERSONAL)
    shared_organization_id = models.UUIDField(null=True)
    shared_role = models.CharField(max_length=40, default="viewer")
    email_domains = models.JSONField(default=list, help_text="Who signs up has an address in one of these")
    methods = models.JSONField(default=all_methods)
    second_factor_for = models.JSONField(default=list, help_text="Roles that nobody uses without one")
    session_hours = models.PositiveIntegerField(default=HOURS)
    product_name = models.CharField(max_length=60, blank=True)
    home_url = models.CharField(max_length=500, blank=True)
    sign_up_url = models.CharField(max_length=500, blank=True)
    reset_password_url = models.CharField(max_length=500, blank=True)
    new_password_url = models.CharField(max_length=500, blank=True)
    invitation_url = models.CharField(max_length=500, blank=True)
    error_url = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[models.Manager[SignInSettings]]

    def __str__(self) -> str:
        return "sign-in settings"

    @property
    def name(self) -> str:
        """What the trail calls it."""
        return str(self)

    @property
    def open_to(self) -> SignUp:
        """Who may sign up here: what is set, or the tenant's default."""
        return SignUp(self.sign_up) if self.sign_up else default_sign_up()


def default_sign_up() -> SignUp:
    """A product lets its customers in; on the console strangers are let in by PACKMULE_OPEN_SIGNUP alone.

    Who was invited is no stranger.
    """
    kind = current_kind()
    opened = kind == "environment" or (kind == "console" and settings.PACKMULE_OPEN_SIGNUP)
    return SignUp.OPEN if opened else SignUp.INVITED


def sign_in_settings() -> SignInSettings:
    """The settings of the tenant that stands, or unsaved ones with the defaults. One query."""
    return SignInSettings.objects.first() or SignInSettings()
