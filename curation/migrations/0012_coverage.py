import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("curation", "0011_several_opinions"),
    ]

    operations = [
        migrations.CreateModel(
            name="Coverage",
            fields=[
                (
                    "project",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="coverage",
                        serialize=False,
                        to="curation.project",
                    ),
                ),
                ("regions", models.JSONField(editable=False, help_text="What is needed to place a prompt.", null=True)),
                (
                    "sampled_count",
                    models.PositiveIntegerField(default=0, help_text="Rows of the project when regions were found."),
                ),
                ("placed_id", models.BigIntegerField(default=0, help_text="Rows up to this one have a region.")),
                ("figures", models.JSONField(default=list, editable=False)),
                ("counted_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name_plural": "coverage",
            },
        ),
        migrations.CreateModel(
            name="RowRegion",
            fields=[
                (
                    "exchange",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="placed",
                        serialize=False,
                        to="curation.exchange",
                    ),
                ),
                ("region", models.PositiveSmallIntegerField()),
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
            options={
                "indexes": [models.Index(fields=["project", "region", "-exchange"], name="row_region")],
            },
        ),
    ]
