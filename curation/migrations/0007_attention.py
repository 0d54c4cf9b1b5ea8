from pathlib import Path

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.math
from django.conf import settings
from django.contrib.postgres.operations import BtreeGistExtension
from django.db import migrations, models

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("curation", "0006_drafts_and_takeovers"),
    ]

    operations = [
        BtreeGistExtension(),
        migrations.CreateModel(
            name="Attention",
            fields=[
                (
                    "project",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="attention",
                        serialize=False,
                        to="curation.project",
                    ),
                ),
                (
                    "weights",
                    models.JSONField(blank=True, default=dict, help_text="By signal, where it differs from the usual."),
                ),
                (
                    "score_threshold",
                    models.FloatField(
                        default=0.5,
                        help_text="Where the application draws the line in scores between 0 and 1.",
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(1),
                        ],
                    ),
                ),
                ("newest_id", models.BigIntegerField(default=0)),
                ("walk_id", models.BigIntegerField(default=0)),
                ("looked_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "included_count",
                    models.PositiveIntegerField(default=0, help_text="Included rows when the last walk began."),
                ),
                ("counts", models.JSONField(default=dict, editable=False, help_text="How many rows wait, by reason.")),
                ("counted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "busy_until",
                    models.DateTimeField(blank=True, help_text="A worker is at it; a lease, not a lock.", null=True),
                ),
            ],
            options={
                "verbose_name_plural": "attention",
            },
        ),
        migrations.CreateModel(
            name="AttentionRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "part",
                    models.CharField(
                        choices=[("prompt", "The prompt"), ("answer", "The answer")], default="prompt", max_length=6
                    ),
                ),
                (
                    "test",
                    models.CharField(
                        choices=[
                            ("contains", "contains"),
                            ("lacks", "does not contain"),
                            ("equals", "is exactly"),
                            ("empty", "is empty"),
                            ("longer", "has more characters than"),
                        ],
                        default="contains",
                        max_length=8,
                    ),
                ),
                (
                    "words",
                    models.CharField(
                        blank=True, help_text="Large and small letters make no difference.", max_length=200
                    ),
                ),
                (
                    "weight",
                    models.FloatField(
                        default=3,
                        validators=[
                            django.core.validators.MinValueValidator(-10),
                            django.core.validators.MaxValueValidator(10),
                        ],
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="ReviewOrder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("attention", "What needs a look"),
                            ("newest", "Newest first"),
                            ("most_seen", "Asked most often"),
                            ("sample", "A random sample"),
                        ],
                        default="attention",
                        max_length=10,
                    ),
                ),
                (
                    "sample_percent",
                    models.PositiveSmallIntegerField(
                        default=10,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(100),
                        ],
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="reviewslot",
            name="draw",
            field=models.FloatField(
                db_default=django.db.models.functions.math.Random(),
                editable=False,
                help_text="Its place in random samples.",
            ),
        ),
        migrations.AddField(
            model_name="reviewslot",
            name="reasons",
            field=models.JSONField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="reviewslot",
            name="seen_count",
            field=models.PositiveIntegerField(db_default=1, help_text="As of the last weighing."),
        ),
        migrations.AddIndex(
            model_name="reviewslot",
            index=models.Index(
                condition=models.Q(("done_at", None), ("not_before", None)),
                fields=["project", "-id"],
                name="slot_newest",
            ),
        ),
        migrations.AddIndex(
            model_name="reviewslot",
            index=models.Index(
                condition=models.Q(("done_at", None), ("not_before", None)),
                fields=["project", "-seen_count", "-id"],
                name="slot_most_seen",
            ),
        ),
        migrations.AddIndex(
            model_name="reviewslot",
            index=models.Index(
                condition=models.Q(("done_at", None), ("not_before", None)),
                fields=["project", "draw", "id"],
                name="slot_drawn",
            ),
        ),
        migrations.AddField(
            model_name="attentionrule",
            name="created_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="attentionrule",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="attention_rules", to="curation.project"
            ),
        ),
        migrations.AddField(
            model_name="revieworder",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="curation.project"
            ),
        ),
        migrations.AddField(
            model_name="revieworder",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddConstraint(
            model_name="attentionrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("test", "empty"), models.Q(("words", ""), _negated=True), _connector="OR"),
                name="attention_rule_has_words",
            ),
        ),
        migrations.AddConstraint(
            model_name="revieworder",
            constraint=models.UniqueConstraint(fields=("project", "user"), name="review_order_once"),
        ),
        migrations.RunSQL((SQL / "attention.sql").read_text(), reverse_sql=(SQL / "attention_reverse.sql").read_text()),
    ]
