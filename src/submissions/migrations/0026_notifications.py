import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from submissions.migration import Resumable


class Migration(Resumable):
    dependencies = [
        ("submissions", "0025_drained_graders"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="NoticeTurn",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("until", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("channel", models.CharField(choices=[("mail", "E-mail"), ("webhook", "Webhook")], max_length=10)),
                ("address", models.CharField(blank=True, default="", max_length=1000)),
                ("on_red", models.BooleanField(default=True)),
                ("on_given_up", models.BooleanField(default=True)),
                ("on_late", models.BooleanField(default=True)),
                ("quiet_from", models.TimeField(blank=True, null=True)),
                ("quiet_until", models.TimeField(blank=True, null=True)),
                ("zone", models.CharField(default="UTC", max_length=60)),
                ("last_error", models.CharField(blank=True, default="", max_length=300)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="subscriptions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "queue",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="submissions.graderqueue",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("queue_name", models.CharField(max_length=128)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("red", "A queue is red"),
                            ("given_up", "Deliveries were given up"),
                            ("late", "Results come after their lease"),
                        ],
                        max_length=10,
                    ),
                ),
                ("sentence", models.CharField(max_length=500)),
                ("since", models.DateTimeField()),
                ("told_at", models.DateTimeField(null=True)),
                ("well_at", models.DateTimeField(null=True)),
                (
                    "subscription",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notices",
                        to="submissions.subscription",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("subscription", "queue_name", "kind"), name="submissions_one_notice"
                    )
                ],
            },
        ),
    ]
