"""Mark the lanes that were there before it was written down which ones wait for receivers of the tenant's choice."""

from django.db import migrations

#: As `turns` marks new ones: those of push workers, and that of webhooks.
MARK = """
update public.jobs_lane set outgoing = true
where runner = 'platform' and not outgoing and (queue not like 'packmule.%' or queue = 'packmule.webhooks')
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0004_outgoing")]

    operations = [migrations.RunSQL(MARK, migrations.RunSQL.noop, hints={"registry": True})]
