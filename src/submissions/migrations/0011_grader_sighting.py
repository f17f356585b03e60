import django.db.models.deletion
from django.db import migrations, models
from submissions.migration import Resumable


class Migration(Resumable):
    dependencies = [
        ("submissions", "0010_fill_queue"),
    ]

    operations = [
        migrations.CreateModel(
            name="GraderSighting",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("grader", models.CharField(max_length=150)),
                ("seen_at", models.DateTimeField()),
                (
                    "queue",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sightings",
                        to="submissions.graderqueue",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("queue", "grader"), name="submissions_one_sighting")],
            },
        ),
    ]
