from pathlib import Path

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import curation.models.access

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("curation", "0002_guards"),
    ]

    operations = [
        migrations.CreateModel(
            name="Feedback",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("call_id", models.UUIDField(null=True)),
                ("own_id", models.CharField(blank=True, max_length=200)),
                ("thumb", models.SmallIntegerField(choices=[(-1, "Down"), (0, "Neutral"), (1, "Up")], null=True)),
                ("score", models.FloatField(null=True)),
                ("comment", models.TextField(blank=True)),
                ("demonstration", models.TextField(blank=True, help_text="The answer that should have been given.")),
                ("masked_count", models.PositiveIntegerField(default=0)),
                ("said_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "verbose_name_plural": "feedback",
                "ordering": ["-said_at", "-id"],
            },
        ),
        migrations.AddField(
            model_name="apikey",
            name="requests_per_minute",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="How many requests each gateway process lets through in a minute. Empty: as many as come.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
            ),
        ),
        migrations.AddField(
            model_name="apikey",
            name="scopes",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("capture", "Calls: ask the model, send in calls made elsewhere"),
                        ("feedback", "Feedback: say what a call was worth"),
                        ("read", "Read: list the models"),
                    ],
                    max_length=10,
                ),
                default=curation.models.access.all_scopes,
                help_text="What the key is good for.",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="loggedcall",
            name="masked_count",
            field=models.PositiveIntegerField(
                default=0, help_text="How many secrets were masked before it was stored."
            ),
        ),
        migrations.AddField(
            model_name="loggedcall",
            name="own_id",
            field=models.CharField(blank=True, help_text="The caller's own id of it (x-curation-id).", max_length=200),
        ),
        migrations.AddField(
            model_name="loggedcall",
            name="tags",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=50), blank=True, default=list, size=None
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="redacts_cards",
            field=models.BooleanField(default=True, verbose_name="mask card numbers"),
        ),
        migrations.AddField(
            model_name="project",
            name="redacts_emails",
            field=models.BooleanField(default=False, verbose_name="mask e-mail addresses"),
        ),
        migrations.AddField(
            model_name="project",
            name="redacts_phones",
            field=models.BooleanField(default=False, verbose_name="mask phone numbers"),
        ),
        migrations.AddField(
            model_name="project",
            name="redacts_secrets",
            field=models.BooleanField(default=True, verbose_name="mask keys, tokens and passwords"),
        ),
        migrations.AddIndex(
            model_name="loggedcall",
            index=models.Index(
                condition=models.Q(("own_id", ""), _negated=True), fields=["project", "own_id"], name="call_own_id"
            ),
        ),
        migrations.AddIndex(
            model_name="loggedcall",
            index=django.contrib.postgres.indexes.GinIndex(
                condition=models.Q(("tags", []), _negated=True), fields=["tags"], name="call_tags"
            ),
        ),
        migrations.AddField(
            model_name="feedback",
            name="api_key",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="curation.apikey",
            ),
        ),
        migrations.AddField(
            model_name="feedback",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="feedback", to="curation.project"
            ),
        ),
        migrations.AddIndex(
            model_name="feedback",
            index=models.Index(fields=["project", "call_id"], name="feedback_of_call"),
        ),
        migrations.AddIndex(
            model_name="feedback",
            index=models.Index(
                condition=models.Q(("own_id", ""), _negated=True),
                fields=["project", "own_id"],
                name="feedback_of_own_id",
            ),
        ),
        migrations.AddIndex(
            model_name="feedback",
            index=models.Index(fields=["project", "-said_at", "-id"], name="feedback_recent"),
        ),
        migrations.AddConstraint(
            model_name="feedback",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("call_id__isnull", False), models.Q(("own_id", ""), _negated=True), _connector="OR"
                ),
                name="feedback_names_a_call",
            ),
        ),
        migrations.AddConstraint(
            model_name="feedback",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("thumb__in", [-1, 0, 1]),
                    models.Q(
                        ("thumb", None),
                        models.Q(
                            ("score__isnull", False),
                            models.Q(("comment", ""), _negated=True),
                            models.Q(("demonstration", ""), _negated=True),
                            _connector="OR",
                        ),
                    ),
                    _connector="OR",
                ),
                name="feedback_says_something",
            ),
        ),
        migrations.RunSQL((SQL / "capture.sql").read_text(), reverse_sql=(SQL / "capture_reverse.sql").read_text()),
    ]
