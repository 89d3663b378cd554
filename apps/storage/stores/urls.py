"""The one URL that the local store signs. It is served without session, cookies and tenant."""

from django.urls import path

from apps.storage.stores.views import transfer

urlpatterns = [path("storage/<str:token>", transfer)]
