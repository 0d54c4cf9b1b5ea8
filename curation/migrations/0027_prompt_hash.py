from django.db import migrations, models
from django.db.models.functions import Cast


class Migration(migrations.Migration):
    dependencies = [("curation", "0026_search_beside")]

    operations = [
        # Writing a large table anew takes longer than a page may.
        migrations.RunSQL("SET LOCAL statement_timeout = 0", migrations.RunSQL.noop),
        migrations.RemoveConstraint(model_name="exchange", name="exchange_prompt_once"),
        migrations.AddField(
            model_name="exchange",
            name="prompt_hash",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Func(
                    Cast(models.Func(models.F("user_prompt"), function="curation_prompt_key"), models.TextField()),
                    models.Value(0),
                    function="hashtextextended",
                    output_field=models.BigIntegerField(),
                ),
                output_field=models.BigIntegerField(),
            ),
        ),
        migrations.AddConstraint(
            model_name="exchange",
            constraint=models.UniqueConstraint(
                fields=("project", "prompt_hash", "context_digest", "prompt_key"), name="exchange_prompt_once"
            ),
        ),
    ]
