from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("curation", "0004_families_and_preflight")]
    operations = [
        migrations.RunSQL((SQL / "families.sql").read_text(), reverse_sql=(SQL / "families_reverse.sql").read_text())
    ]
