from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("curation", "0022_lean_indexes")]

    operations = [
        migrations.AddIndex(
            model_name="review",
            index=models.Index(fields=["project", "reviewer", "created_at"], name="review_today"),
        ),
        migrations.AddIndex(
            model_name="exchange",
            index=models.Index(fields=["project", "state"], name="exchange_differs", condition=Q(answer_count__gt=1)),
        ),
    ]
