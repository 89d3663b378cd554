"""Pages where people sign up and in and look after their account, below /accounts/ of every tenant."""

from __future__ import annotations

from allauth.account import urls as account
from django.urls import URLPattern, URLResolver, include, path

from apps.accounts.signin import devices, pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("", pages.home, name="account_home"),
    path("invitations/<str:token>/", pages.invitation, name="account_invitation"),
    *account.urlpatterns,
    path("2fa/", include("allauth.mfa.urls")),
    path("sessions/", devices.devices, name="usersessions_list"),
    path("3rdparty/", include("allauth.socialaccount.urls")),
    path("3rdparty/", include("apps.accounts.signin.providers.urls")),
]
