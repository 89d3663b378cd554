import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import apps.core.ids


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0004_lineage_and_halts"),
        ("tenancy", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="HandOff",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "name",
                    models.CharField(help_text="The environment's name when it was opened", max_length=120),
                ),
                (
                    "owner_organization_id",
                    models.UUIDField(help_text="The console's organization that owned it then"),
                ),
                ("user_id", models.UUIDField()),
                ("user_name", models.CharField(max_length=254)),
                (
                    "session_id",
                    models.UUIDField(help_text="The session in the console out of which it was opened"),
                ),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("code_digest", models.BinaryField(max_length=32, unique=True)),
                ("nonce_digest", models.BinaryField(max_length=32)),
                ("code_expires_at", models.DateTimeField()),
                ("entered_at", models.DateTimeField(null=True)),
                ("session_digest", models.BinaryField(max_length=32, null=True, unique=True)),
                ("expires_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "ending",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("revoked", "Revoked"),
                            ("signed_out", "Signed out"),
                            ("replaced", "Replaced"),
                        ],
                        max_length=16,
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant"
                    ),
                ),
            ],
            options={
                "db_table": '"public"."apikeys_handoff"',
                "indexes": [
                    models.Index(fields=["owner_organization_id", "id"], name="apikeys_handoff_owner"),
                    models.Index(fields=["tenant", "id"], name="apikeys_handoff_place"),
                ],
            },
        ),
    ]
