from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0002_touch"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["credential_id", "id"], name="audit_event_credential"),
        ),
    ]
