"""URLs of keys, below /v1/."""

from django.urls import path

from apps.apikeys import leaks
from apps.apikeys import services as do
from apps.apikeys.leaks_github import github_view
from apps.core.endpoints import endpoint

urlpatterns = [
    path("leaked-keys", endpoint(POST=leaks.report_leaked_keys, status=200)),
    path("leaked-keys/github", github_view),
    path("leaked-keys/pattern", endpoint(GET=leaks.get_pattern)),
    path("whoami", endpoint(GET=do.whoami)),
    path("keys", endpoint(GET=do.list_keys, POST=do.create_key)),
    path("keys/<key:key_id>", endpoint(GET=do.get_key, DELETE=do.revoke_key)),
    path("keys/<key:key_id>/rotate", endpoint(POST=do.rotate_key, status=200)),
    path("keys/<key:key_id>/lineage", endpoint(GET=do.get_lineage)),
    path("service-accounts/<svc:service_account_id>/keys", endpoint(POST=do.create_service_account_key)),
    path("agents/<agt:agent_id>/keys", endpoint(POST=do.create_agent_key)),
]
