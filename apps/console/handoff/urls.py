"""The way into an environment's admin, on its own host."""

from django.urls import path

from apps.console.handoff import entrance

urlpatterns = [path("enter/", entrance.enter, name="hand_off_enter")]
