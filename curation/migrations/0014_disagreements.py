import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("curation", "0013_pairs"),
    ]

    operations = [
        migrations.CreateModel(
            name="Disagreement",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("model", models.CharField(max_length=200)),
                ("answer", models.TextField()),
                ("noted_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "exchange",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="disagreements",
                        to="curation.exchange",
                    ),
                ),
            ],
            options={
                "ordering": ["-noted_at", "-id"],
                "indexes": [models.Index(fields=["noted_at"], name="disagreement_noted")],
                "constraints": [models.UniqueConstraint(fields=("exchange", "model"), name="disagreement_once")],
            },
        ),
    ]
