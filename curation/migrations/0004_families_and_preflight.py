import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("curation", "0003_capture"),
    ]

    operations = [
        migrations.CreateModel(
            name="PromptVariant",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(help_text="SHA-256 of the captured system prompt.", max_length=64)),
                ("captured", models.TextField()),
                ("training_prompt", models.TextField()),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="VersionFinding",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=32)),
                (
                    "severity",
                    models.CharField(
                        choices=[("blocker", "Blocker, waived"), ("warning", "Warning"), ("note", "Note")], max_length=8
                    ),
                ),
                ("words", models.TextField()),
                ("place", models.CharField(blank=True, max_length=40)),
                ("fix", models.CharField(blank=True, max_length=8)),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="Waiver",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("exchange_version", models.PositiveIntegerField(help_text="Which state of the row was looked at.")),
                ("code", models.CharField(max_length=32)),
                ("reason", models.CharField(max_length=300)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.AddField(
            model_name="datasetversion",
            name="figures",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="datasetversion",
            name="keeps_captured_prompt",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="datasetversion",
            name="validation_count",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="example",
            name="cl100k_tokens",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="example",
            name="o200k_tokens",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="exchange",
            name="answer_schema",
            field=models.JSONField(blank=True, help_text="The JSON Schema the first call asked for.", null=True),
        ),
        migrations.AddField(
            model_name="exchange",
            name="tools",
            field=models.JSONField(blank=True, help_text="The tools the first call offered the model.", null=True),
        ),
        migrations.AddField(
            model_name="project",
            name="keeps_captured_prompt",
            field=models.BooleanField(
                default=False,
                help_text="Teach with the long prompt the answers were made with, instead of the training prompt.",
                verbose_name="keep system prompts as captured",
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="validation_share",
            field=models.PositiveSmallIntegerField(
                default=0,
                help_text="Percent of the training examples put aside for a trainer that wants a validation file. 0: none.",
                validators=[django.core.validators.MaxValueValidator(50)],
            ),
        ),
        migrations.AlterField(
            model_name="example",
            name="split",
            field=models.CharField(
                choices=[("train", "Train"), ("validation", "Validation"), ("test", "Held out")], max_length=10
            ),
        ),
        migrations.CreateModel(
            name="Family",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("split", models.CharField(choices=[("train", "Train"), ("test", "Held out")], max_length=5)),
                ("member_count", models.PositiveIntegerField(default=1)),
                (
                    "merged_into",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="merged",
                        to="curation.family",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="families", to="curation.project"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "families",
            },
        ),
        migrations.CreateModel(
            name="FamilyKey",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "project", "key", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="curation.project",
                    ),
                ),
                ("key", models.BigIntegerField()),
                (
                    "family",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="keys",
                        to="curation.family",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="exchange",
            name="family",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                help_text="Its near-duplicates; found when first seen.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="exchanges",
                to="curation.family",
            ),
        ),
        migrations.AddIndex(
            model_name="exchange",
            index=models.Index(
                condition=models.Q(("family", None), _negated=True), fields=["family"], name="exchange_family"
            ),
        ),
        migrations.AddField(
            model_name="promptvariant",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="prompt_variants", to="curation.project"
            ),
        ),
        migrations.AddField(
            model_name="versionfinding",
            name="exchange",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="curation.exchange"
            ),
        ),
        migrations.AddField(
            model_name="versionfinding",
            name="other",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="curation.exchange"
            ),
        ),
        migrations.AddField(
            model_name="versionfinding",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="findings", to="curation.datasetversion"
            ),
        ),
        migrations.AddField(
            model_name="waiver",
            name="exchange",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="waivers", to="curation.exchange"
            ),
        ),
        migrations.AddField(
            model_name="waiver",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="waivers", to="curation.project"
            ),
        ),
        migrations.AddField(
            model_name="waiver",
            name="waived_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="versionfinding",
            name="waiver",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="curation.waiver"
            ),
        ),
        migrations.AddConstraint(
            model_name="family",
            constraint=models.CheckConstraint(
                condition=models.Q(("split__in", ["train", "test"])), name="family_split_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="promptvariant",
            constraint=models.UniqueConstraint(fields=("project", "digest"), name="prompt_variant_once"),
        ),
        migrations.AddConstraint(
            model_name="promptvariant",
            constraint=models.CheckConstraint(
                condition=models.Q(("training_prompt", ""), _negated=True), name="prompt_variant_says_something"
            ),
        ),
        migrations.AddConstraint(
            model_name="waiver",
            constraint=models.UniqueConstraint(fields=("exchange", "exchange_version", "code"), name="waiver_once"),
        ),
        migrations.AddConstraint(
            model_name="waiver",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True), name="waiver_has_reason"
            ),
        ),
    ]
