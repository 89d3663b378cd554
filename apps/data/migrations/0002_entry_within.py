from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("data", "0001_initial")]

    operations = [
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(
                fields=["index", "organization", "key", "record"],
                include=("shared",),
                name="data_entry_within",
            ),
        ),
        migrations.RemoveIndex(model_name="entry", name="data_entry_of_organization"),
    ]
