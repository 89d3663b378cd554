"""URLs of principals, below /v1/."""

from django.urls import path

from apps.accounts import services as do
from apps.accounts.mails import api as mails
from apps.accounts.oauth import api as oauth
from apps.accounts.ownership import change_owner
from apps.accounts.signin import api as signin
from apps.accounts.signin.providers import api as providers
from apps.core.endpoints import endpoint

urlpatterns = [
    path("users", endpoint(GET=do.list_users, POST=do.create_user)),
    path("users/<usr:user_id>", endpoint(GET=do.get_user, PATCH=do.update_user)),
    path("users/<usr:user_id>/suspend", endpoint(POST=do.suspend_user, status=200)),
    path("users/<usr:user_id>/activate", endpoint(POST=do.activate_user, status=200)),
    path("agents", endpoint(GET=do.list_agents, POST=do.create_agent)),
    path("agents/<agt:agent_id>", endpoint(GET=do.get_agent, PATCH=do.update_agent, DELETE=do.delete_agent)),
    path("agents/<agt:agent_id>/suspend", endpoint(POST=do.suspend_agent, status=200)),
    path("agents/<agt:agent_id>/activate", endpoint(POST=do.activate_agent, status=200)),
    path("agents/<agt:agent_id>/owner", endpoint(POST=change_owner, status=200)),
    path("service-accounts", endpoint(GET=do.list_service_accounts, POST=do.create_service_account)),
    path(
        "service-accounts/<svc:service_account_id>",
        endpoint(
            GET=do.get_service_account, PATCH=do.update_service_account, DELETE=do.delete_service_account
        ),
    ),
    path(
        "service-accounts/<svc:service_account_id>/suspend",
        endpoint(POST=do.suspend_service_account, status=200),
    ),
    path(
        "service-accounts/<svc:service_account_id>/activate",
        endpoint(POST=do.activate_service_account, status=200),
    ),
    *mails.urlpatterns,
    *oauth.urlpatterns,
    *signin.urlpatterns,
    *providers.urlpatterns,
]
