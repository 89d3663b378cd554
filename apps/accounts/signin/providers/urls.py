"""URLs of signing in with an account elsewhere, below /accounts/3rdparty/ of every tenant."""

from django.urls import path

from apps.accounts.signin.providers import pages

urlpatterns = [
    path("<slug:slug>/login/", pages.begin, name="sign_in_provider_begin"),
    path("<slug:slug>/callback/", pages.callback, name="sign_in_provider_callback"),
]
