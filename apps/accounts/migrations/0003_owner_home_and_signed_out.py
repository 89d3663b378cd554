from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="agent",
            name="owner_home_id",
            field=models.UUIDField(
                editable=False,
                help_text="The tenant whose directory holds the owner, where it is another one",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="signed_out_at",
            field=models.DateTimeField(
                editable=False, help_text="Sessions from before this moment are over for good", null=True
            ),
        ),
    ]
