from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("curation", "0025_slots_of_reviewer")]

    operations = [
        migrations.CreateModel(
            name="SearchDue",
            fields=[
                (
                    "exchange",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="curation.exchange",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="curation.project",
                    ),
                ),
            ],
            options={"verbose_name": "waiting for the search", "verbose_name_plural": "waiting for the search"},
        ),
        migrations.CreateModel(
            name="SearchText",
            fields=[
                (
                    "exchange",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="curation.exchange",
                    ),
                ),
                ("prompt", models.TextField()),
                ("answer", models.TextField()),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="curation.project",
                    ),
                ),
            ],
            options={"verbose_name": "words in the search", "verbose_name_plural": "words in the search"},
        ),
        migrations.RunSQL(
            (SQL / "search_beside.sql").read_text(), reverse_sql=(SQL / "search_beside_reverse.sql").read_text()
        ),
    ]
