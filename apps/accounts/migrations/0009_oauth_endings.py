from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_oauthgrant_listeners"),
    ]

    operations = [
        migrations.AlterField(
            model_name="oauthclient",
            name="ends_at",
            field=models.DateTimeField(
                help_text="A machine's ends with its registrar's key or token, any with who is behind it",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="oauthgrant",
            name="given_at",
            field=models.DateTimeField(help_text="When it was last given or changed"),
        ),
    ]
