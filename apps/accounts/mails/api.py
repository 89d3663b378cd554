"""URLs of mail templates, below /v1/."""

from django.urls import path

from apps.accounts.mails import services as do
from apps.core.endpoints import endpoint

urlpatterns = [
    path("mail-templates", endpoint(GET=do.list_mail_templates)),
    path(
        "mail-templates/<slug:kind>",
        endpoint(GET=do.get_mail_template, PUT=do.put_mail_template, DELETE=do.delete_mail_template),
    ),
    path("mail-templates/<slug:kind>/preview", endpoint(POST=do.preview_mail, status=200)),
]
