from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_rows"), ("curation", "0002_guards")]
    operations = [
        migrations.RunSQL(
            "CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON jobs_promotion "
            "FOR EACH ROW EXECUTE FUNCTION curation_refuse_change();",
            reverse_sql="DROP TRIGGER refuse_change ON jobs_promotion;",
        )
    ]
