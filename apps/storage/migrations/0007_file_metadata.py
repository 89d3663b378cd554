"""What callers say of a file in words of their own, beside its tags."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("storage", "0006_file_outlives"),
    ]

    operations = [
        migrations.AddField(
            model_name="file",
            name="metadata",
            field=models.JSONField(default=dict),
        ),
    ]
