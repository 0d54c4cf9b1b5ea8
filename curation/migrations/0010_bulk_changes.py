import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("curation", "0009_reasons_tags_and_keys"),
    ]

    operations = [
        migrations.CreateModel(
            name="BulkChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "verb",
                    models.CharField(
                        choices=[("included", "Included"), ("excluded", "Excluded"), ("later", "Later")], max_length=10
                    ),
                ),
                ("query", models.CharField(blank=True, help_text="The search that found the rows.", max_length=1000)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("checking", "Being checked"),
                            ("ready", "Waits for a word"),
                            ("running", "Under way"),
                            ("done", "Done"),
                            ("undoing", "Being taken back"),
                            ("undone", "Taken back"),
                        ],
                        default="checking",
                        max_length=8,
                    ),
                ),
                ("total_count", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "moved_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="When it last came a step further.",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="bulk_changes", to="curation.project"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="BulkRow",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.PositiveIntegerField()),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("unchecked", "not checked yet"),
                            ("fit", "to be changed"),
                            (
                                "contradicts",
                                "to be changed, though a near-identical prompt is included with another answer",
                            ),
                            ("fails", "fails a check"),
                            ("held", "held by somebody else"),
                            ("shared", "waits for a second opinion"),
                            ("changed", "changed since it was counted"),
                            ("same", "is so already"),
                            ("done", "changed"),
                            ("undone", "taken back"),
                            ("kept", "decided anew since, so left as it is"),
                        ],
                        default="unchecked",
                        max_length=11,
                    ),
                ),
                (
                    "bulk",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="rows", to="curation.bulkchange"
                    ),
                ),
                (
                    "exchange",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="curation.exchange"
                    ),
                ),
                (
                    "review",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="bulk_row",
                        to="curation.review",
                    ),
                ),
            ],
            options={
                "ordering": ["exchange"],
            },
        ),
        migrations.AddIndex(
            model_name="bulkchange",
            index=models.Index(
                condition=models.Q(("status__in", ["checking", "running", "undoing"])),
                fields=["moved_at"],
                name="bulk_unfinished",
            ),
        ),
        migrations.AddIndex(
            model_name="bulkchange",
            index=models.Index(fields=["project", "user", "-id"], name="bulk_mine"),
        ),
        migrations.AddIndex(
            model_name="bulkrow",
            index=models.Index(fields=["bulk", "outcome", "exchange"], name="bulk_row_outcome"),
        ),
        migrations.AddConstraint(
            model_name="bulkrow",
            constraint=models.UniqueConstraint(fields=("bulk", "exchange"), name="bulk_row_once"),
        ),
    ]
