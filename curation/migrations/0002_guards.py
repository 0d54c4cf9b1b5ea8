from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("curation", "0001_rows")]
    operations = [
        migrations.RunSQL((SQL / "guards.sql").read_text(), reverse_sql=(SQL / "guards_reverse.sql").read_text())
    ]
