import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import apps.core.ids


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0003_rotated_by"),
        ("tenancy", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="keyindex",
            name="lineage",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.UUIDField(),
                default=list,
                help_text="The marks of whose key it is, and of everybody through whom it was minted",
                size=None,
            ),
        ),
        migrations.AddIndex(
            model_name="keyindex",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["lineage"], name="apikeys_keyindex_lineage"
            ),
        ),
        migrations.CreateModel(
            name="Halt",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("mark", models.UUIDField()),
                ("cause", models.UUIDField()),
                ("kind", models.CharField(max_length=20)),
                ("principal_id", models.UUIDField()),
                ("since", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant"
                    ),
                ),
            ],
            options={
                "db_table": '"public"."apikeys_halt"',
                "indexes": [models.Index(fields=["cause"], name="apikeys_halt_cause")],
                "constraints": [
                    models.UniqueConstraint(fields=("mark", "cause"), name="apikeys_halt_mark_cause")
                ],
            },
        ),
    ]
