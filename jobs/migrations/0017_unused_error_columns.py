from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0016_repairs"),
    ]

    operations = [
        migrations.RemoveField(
            model_name="finetune",
            name="error_code",
        ),
        migrations.RemoveField(
            model_name="finetune",
            name="error_said",
        ),
    ]
