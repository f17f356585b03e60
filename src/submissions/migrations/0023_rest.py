import django.core.validators
import django.db.models.deletion
import submissions.models.job
from django.conf import settings
from django.db import migrations, models

from submissions.migration import Resumable


class Migration(Resumable):
    dependencies = [
        ("submissions", "0021_signs_of_trouble"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ClaimNote",
            fields=[
                (
                    "job",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="claim_note",
                        serialize=False,
                        to="submissions.externalgraderdetail",
                    ),
                ),
                ("claim_id", models.UUIDField()),
                ("lease_seconds", models.PositiveIntegerField(null=True)),
                ("expired_at", models.DateTimeField(null=True)),
                ("progress", models.FloatField(null=True)),
                ("phase", models.CharField(default="", max_length=100)),
                ("worker", models.TextField(default="")),
            ],
        ),
        migrations.CreateModel(
            name="ClaimRequest",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("request_key", models.CharField(max_length=64, unique=True)),
                ("digest", models.CharField(max_length=64)),
                ("claim_ids", models.TextField()),
                ("created_at", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="SubmitRequest",
            fields=[
                (
                    "job",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="submit_request",
                        serialize=False,
                        to="submissions.externalgraderdetail",
                    ),
                ),
                ("account", models.CharField(max_length=150)),
                ("request_key", models.CharField(max_length=64, unique=True)),
                ("digest", models.CharField(max_length=64)),
                ("has_json_payload", models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name="Token",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="tokens", to=settings.AUTH_USER_MODEL
                    ),
                ),
                ("public_id", models.CharField(editable=False, max_length=8, unique=True)),
                ("secret_hash", models.CharField(editable=False, max_length=64)),
                ("name", models.CharField(blank=True, default="", help_text="What it is for.", max_length=100)),
                ("scopes", models.CharField(max_length=60)),
                ("queue_patterns", models.TextField(help_text="Queues, one per line; * stands for any characters.")),
                ("created_at", models.DateTimeField(editable=False)),
                ("created_by", models.CharField(blank=True, default="", editable=False, max_length=150)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.AddField(
            model_name="externalgraderdetail",
            name="claim_id",
            field=models.UUIDField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="externalgraderdetail",
            name="interruptions",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name="externalgraderdetail",
            name="result",
            field=models.TextField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="externalgraderdetail",
            name="result_digest",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name="graderqueue",
            name="max_grading_seconds",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="How long a grader may keep a job that it goes on renewing, by REST (seconds).",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
            ),
        ),
        migrations.AddField(
            model_name="graderqueue",
            name="wait_milliseconds",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                help_text="How long a poll by XQueue waits for a job to come, where there is none (milliseconds).",
                validators=[django.core.validators.MaxValueValidator(999)],
            ),
        ),
        migrations.AddIndex(
            model_name="externalgraderdetail",
            index=submissions.models.job.IndexWhere(
                fields=["claim_id"], name="submissions_claim_id_idx", where=models.Q(("claim_id__isnull", False))
            ),
        ),
        migrations.AddIndex(
            model_name="submitrequest",
            index=models.Index(fields=["account", "job"], name="submissions_of_account_idx"),
        ),
    ]
