"""URLs of machine sign-in, on every tenant's host and for the console on the installation's own."""

from django.urls import path

from apps.accounts.oauth import metadata, pages, views

urlpatterns = [
    path(".well-known/openid-configuration", metadata.authorization_server),
    path(".well-known/oauth-authorization-server", metadata.authorization_server),
    path(".well-known/oauth-protected-resource", metadata.protected_resource),
    path(".well-known/oauth-protected-resource/v1", metadata.protected_resource, name="oauth_resource"),
    path(".well-known/jwks.json", metadata.jwks, name="oauth_jwks"),
    path("identity/o/authorize", pages.authorize, name="oauth_authorize"),
    path("identity/o/device", pages.device, name="oauth_device"),
    path("identity/o/api/token", views.token, name="oauth_token"),
    path("identity/o/api/device/code", views.device_code, name="oauth_device_code"),
    path("identity/o/api/revoke", views.revoke, name="oauth_revoke"),
    path("identity/o/api/introspect", views.introspect, name="oauth_introspect"),
    path("identity/o/api/userinfo", views.userinfo, name="oauth_userinfo"),
]
