from django.db import migrations, models

from submissions.migration import Resumable


class Migration(Resumable):
    dependencies = [("submissions", "0024_history")]

    operations = [
        migrations.CreateModel(
            name="DrainedGrader",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("grader", models.CharField(max_length=150, unique=True)),
                ("since", models.DateTimeField()),
                ("by", models.CharField(blank=True, default="", max_length=150)),
            ],
        ),
    ]
