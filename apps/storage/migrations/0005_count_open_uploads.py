"""Count the uploads that were announced before anything was reserved for them."""

from django.db import migrations

#: Whoever counts at this moment has the lock before, or waits for it and counts on.
_COUNT = """
lock table storage_usage in exclusive mode;
insert into storage_usage (id, bucket_id, organization_id, bytes, files, reserved_bytes, open_uploads)
select gen_random_uuid(), storage_file.bucket_id, version.organization_id, 0, 0, sum(version.size), count(*)
from storage_fileversion version join storage_file on storage_file.id = version.file_id
where version.status = 'pending'
group by storage_file.bucket_id, version.organization_id
on conflict on constraint storage_usage_once
do update set reserved_bytes = excluded.reserved_bytes, open_uploads = excluded.open_uploads
"""


class Migration(migrations.Migration):
    dependencies = [("storage", "0004_uploads_reserved")]

    operations = [migrations.RunSQL(_COUNT, migrations.RunSQL.noop)]
