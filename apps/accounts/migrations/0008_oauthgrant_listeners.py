from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_sign_in_provider"),
    ]

    operations = [
        migrations.AddField(
            model_name="oauthgrant",
            name="listeners",
            field=models.JSONField(
                default=list,
                help_text="Who was to get the codes when it was given on a page, the last one last",
            ),
        ),
    ]
