import django.db.models.deletion
import submissions.models.job
import submissions.models.fields
from django.conf import settings
from django.db import migrations, models
from submissions.migration import Resumable


class Migration(Resumable):
    dependencies = [
        ("submissions", "0001_squashed_0008_externalgraderdetail_queue_key_and_more"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("transport", models.CharField(max_length=20)),
                ("destination", models.TextField(blank=True, default="")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting for the result"),
                            ("due", "Due"),
                            ("delivered", "Delivered"),
                            ("given_up", "Given up"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("due_at", models.DateTimeField(blank=True, null=True)),
                ("delivered_at", models.DateTimeField(blank=True, null=True)),
                ("last_error", models.TextField(blank=True, null=True)),
                # Here, not added afterwards: going back, Django looks at the table of a column that it removes.
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="submissions.externalgraderdetail",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deliveries",
            },
        ),
        migrations.CreateModel(
            name="GraderQueue",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=128, unique=True)),
                (
                    "lease_seconds",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="How long a grader may keep a job before another one may take it (seconds).",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                (
                    "max_failures",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="At how many failures a job is given up and waits for an operator.",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                (
                    "backoff_seconds",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="The pause after a first failure; it doubles with each further one (seconds).",
                        null=True,
                    ),
                ),
                (
                    "score_meaning",
                    models.CharField(
                        choices=[("ratio", "Share of the points, 0 to 1"), ("points", "Points")],
                        default="ratio",
                        help_text="What the number in a grader's reply means.",
                        max_length=10,
                    ),
                ),
                (
                    "supersede",
                    models.BooleanField(
                        default=False,
                        help_text="A newer submission of a learner to an item retires the older ones that still wait.",
                    ),
                ),
                ("paused", models.BooleanField(default=False, help_text="Graders are told that the queue is empty.")),
                (
                    "initial_delay_seconds",
                    models.PositiveIntegerField(
                        default=0, help_text="How long a new job waits before it is offered (seconds)."
                    ),
                ),
                (
                    "push_url",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Where jobs are sent, for a grader that is pushed to; empty: graders pull.",
                        max_length=1000,
                        validators=[django.core.validators.URLValidator(schemes=["http", "https"])],
                    ),
                ),
                ("last_polled_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("last_polled_by", models.CharField(blank=True, default="", editable=False, max_length=150)),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.AddField(
            model_name="externalgraderdetail",
            name="available_at",
            field=models.DateTimeField(blank=True, db_default=submissions.models.job.DatabaseNowDefault(), null=True),
        ),
        migrations.AddField(
            model_name="externalgraderdetail",
            name="grader",
            field=models.CharField(blank=True, db_default="", default="", max_length=150),
        ),
        migrations.AddField(
            model_name="externalgraderdetail",
            name="grader_payload",
            field=models.TextField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="externalgraderdetail",
            name="last_error",
            field=models.TextField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="externalgraderdetail",
            name="num_pulls",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="externalgraderdetail",
            name="pulled_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="externalgraderdetail",
            name="returned_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="externalgraderdetail",
            name="student_info",
            field=models.TextField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="externalgraderdetail",
            name="points_possible",
            field=submissions.models.fields.PointsField(default=1),
        ),
        migrations.AlterField(
            model_name="score",
            name="points_earned",
            field=submissions.models.fields.PointsField(default=0),
        ),
        migrations.AlterField(
            model_name="score",
            name="points_possible",
            field=submissions.models.fields.PointsField(default=0),
        ),
        migrations.AddIndex(
            model_name="externalgraderdetail",
            index=models.Index(fields=["queue_name", "available_at", "id"], name="submissions_claim_idx"),
        ),
        migrations.AddField(
            model_name="graderqueue",
            name="graders",
            field=models.ManyToManyField(
                blank=True,
                help_text="Who may pull; nobody listed: every grader.",
                related_name="granted_queues",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["state", "due_at", "id"], name="submissions_due_idx"),
        ),
    ]
