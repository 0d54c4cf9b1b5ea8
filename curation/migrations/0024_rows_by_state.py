from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("curation", "0023_verdicts_of_today")]

    operations = [
        # Building the indexes of a large table takes longer than a page may.
        migrations.RunSQL("SET LOCAL statement_timeout = 0", migrations.RunSQL.noop),
        migrations.RemoveIndex(model_name="exchange", name="exchange_pending"),
        migrations.RemoveIndex(model_name="exchange", name="exchange_state"),
        migrations.AddIndex(
            model_name="exchange", index=models.Index(fields=["project", "-id"], name="exchange_newest")
        ),
        migrations.AddIndex(
            model_name="exchange", index=models.Index(fields=["project", "state", "-id"], name="exchange_state")
        ),
    ]
