import django.db.models.deletion
from django.db import migrations, models

from submissions.migration import Resumable

DOORS = [("dashboard", "Dashboard"), ("admin", "Admin"), ("command", "Command"), ("rest", "REST")]


class Migration(Resumable):
    dependencies = [
        ("submissions", "0023_rest"),
    ]

    operations = [
        migrations.CreateModel(
            name="OperatorMove",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(db_index=True)),
                ("actor", models.CharField(max_length=255)),
                ("door", models.CharField(choices=DOORS, max_length=10)),
                ("move", models.CharField(max_length=20)),
                ("queue_name", models.CharField(blank=True, default="", max_length=128)),
                ("subject", models.CharField(blank=True, default="", max_length=500)),
                ("reason", models.CharField(blank=True, default="", max_length=500)),
                ("number", models.PositiveIntegerField(default=0)),
                ("group", models.UUIDField(db_index=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["queue_name", "at"], name="submissions_acts_queue_idx"),
                    models.Index(fields=["actor", "at"], name="submissions_acts_actor_idx"),
                ],
            },
        ),
        migrations.CreateModel(
            name="MovedJob",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("submission_id", models.PositiveIntegerField(db_index=True)),
                ("delivery_id", models.PositiveIntegerField(null=True)),
                ("at", models.DateTimeField()),
                (
                    "move",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="jobs", to="submissions.operatormove"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="DepthSample",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("queue_name", models.CharField(blank=True, max_length=128)),
                ("minute", models.PositiveIntegerField()),
                ("waiting", models.PositiveIntegerField(default=0)),
                ("being_graded", models.PositiveIntegerField(default=0)),
                ("failed", models.PositiveIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["queue_name", "minute"], name="submissions_one_sample")
                ],
            },
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["host", "delivered_at"], name="submissions_delivered_idx"),
        ),
    ]
