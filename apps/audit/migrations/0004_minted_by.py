from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0003_credential_index"),
    ]

    operations = [
        migrations.AddField(
            model_name="event",
            name="minted_by",
            field=models.CharField(
                help_text="The key by which the client of the token was registered",
                max_length=40,
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("minted_by__isnull", False)),
                fields=["minted_by", "id"],
                name="audit_event_minted_by",
            ),
        ),
    ]
