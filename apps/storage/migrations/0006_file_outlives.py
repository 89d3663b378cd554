"""Find what a bucket keeps no longer without passing what is deleted already."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orgs", "0003_invitation_credential_id_invitation_lineage"),
        ("storage", "0005_count_open_uploads"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="file",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["bucket", "created_at"],
                name="storage_file_outlives",
            ),
        ),
    ]
