"""URLs of buckets and files, below /v1/."""

from django.urls import path

from apps.core.endpoints import endpoint
from apps.storage import buckets, derivatives, downloads, files, reports, uploads, versions

_BUCKET = "buckets/<slug:bucket>"
_FILE = "files/<file:file_id>"

urlpatterns = [
    path("buckets", endpoint(GET=buckets.list_buckets, POST=buckets.create_bucket)),
    path(
        _BUCKET,
        endpoint(GET=buckets.get_bucket, PATCH=buckets.update_bucket, DELETE=buckets.delete_bucket),
    ),
    path(f"{_BUCKET}/empty", endpoint(POST=buckets.empty_bucket, status=200)),
    path("files", endpoint(GET=files.list_files, POST=uploads.create_file)),
    path(_FILE, endpoint(GET=files.get_file, PATCH=files.update_file, DELETE=files.delete_file)),
    path(f"{_FILE}/upload", endpoint(GET=uploads.get_upload, DELETE=uploads.give_up_upload)),
    path(f"{_FILE}/parts", endpoint(GET=uploads.list_parts)),
    path(f"{_FILE}/parts/<int:number>", endpoint(GET=uploads.get_part)),
    path(f"{_FILE}/complete", endpoint(POST=uploads.complete_upload, status=200)),
    path(f"{_FILE}/content", endpoint(GET=downloads.get_content)),
    path(f"{_FILE}/link", endpoint(GET=downloads.get_link)),
    path(f"{_FILE}/derivatives", endpoint(GET=derivatives.list_derivatives)),
    path(f"{_FILE}/derivatives/<slug:preset>", endpoint(GET=derivatives.get_derivative)),
    path(f"{_FILE}/derivatives/<slug:preset>/link", endpoint(GET=derivatives.get_derivative_link)),
    path(f"{_FILE}/restore", endpoint(POST=files.restore_file, status=200)),
    path(f"{_FILE}/purge", endpoint(POST=files.purge_file)),
    path(f"{_FILE}/versions", endpoint(GET=versions.list_versions, POST=uploads.upload_version)),
    path(
        f"{_FILE}/versions/<int:number>/restore",
        endpoint(POST=versions.restore_version, status=200),
    ),
    path("storage/usage", endpoint(GET=reports.list_usage)),
    path("storage/lifecycle", endpoint(POST=reports.run_lifecycle, status=200)),
    path("storage/reconcile", endpoint(POST=reports.reconcile_usage, status=200)),
]
