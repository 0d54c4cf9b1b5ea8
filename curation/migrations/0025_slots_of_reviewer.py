from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("curation", "0024_rows_by_state")]

    operations = [
        # Building the index of a large table takes longer than a page may.
        migrations.RunSQL("SET LOCAL statement_timeout = 0", migrations.RunSQL.noop),
        migrations.RemoveIndex(model_name="reviewslot", name="slot_reviewer"),
        migrations.AddIndex(
            model_name="reviewslot",
            index=models.Index(
                condition=models.Q(("reviewer", None), _negated=True),
                fields=["reviewer", "done_at"],
                name="slot_of_reviewer",
            ),
        ),
    ]
