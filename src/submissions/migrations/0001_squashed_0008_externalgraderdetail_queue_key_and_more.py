"""The tables as edx-submissions 4.0.2 leaves them.

A site that has run that package's thirteen migrations is already here; a new one gets the same tables in one step.
"""

from __future__ import annotations

import uuid

import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.models import CASCADE, SET_NULL

import submissions.models
from submissions.checks import REPLACED
from submissions.migration import Resumable


def ID() -> models.AutoField:  # type: ignore[type-arg]  # noqa: N802
    return models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


DELETED_OR_ACTIVE = [("D", "Deleted"), ("A", "Active")]


def moment(**kwargs: object) -> models.DateTimeField:  # type: ignore[type-arg]
    return models.DateTimeField(default=django.utils.timezone.now, **kwargs)  # type: ignore[arg-type]


class Migration(Resumable):
    initial = True
    replaces = [("submissions", name) for name in REPLACED]
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="StudentItem",
            fields=[
                ("id", ID()),
                ("student_id", submissions.models.AnonymizedUserIDField()),
                ("course_id", models.CharField(db_index=True, max_length=255)),
                ("item_id", models.CharField(db_index=True, max_length=255)),
                ("item_type", models.CharField(max_length=100)),
            ],
            options={"unique_together": {("course_id", "student_id", "item_id")}},
        ),
        migrations.CreateModel(
            name="TeamSubmission",
            fields=[
                ("id", ID()),
                ("created", moment(editable=False)),
                ("modified", moment(editable=False)),
                ("uuid", models.UUIDField(db_index=True, default=uuid.uuid4)),
                ("attempt_number", models.PositiveIntegerField()),
                ("submitted_at", moment(db_index=True)),
                ("course_id", models.CharField(db_index=True, max_length=255)),
                ("item_id", models.CharField(db_index=True, max_length=255)),
                ("team_id", models.CharField(db_index=True, max_length=255)),
                ("status", models.CharField(choices=DELETED_OR_ACTIVE, default="A", max_length=1)),
                ("submitted_by", models.ForeignKey(null=True, on_delete=SET_NULL, to=settings.AUTH_USER_MODEL)),
            ],
            options={"ordering": ["-submitted_at", "-id"]},
        ),
        migrations.CreateModel(
            name="Submission",
            fields=[
                ("id", ID()),
                ("uuid", models.UUIDField(db_index=True, default=uuid.uuid4)),
                ("attempt_number", models.PositiveIntegerField()),
                ("submitted_at", moment(db_index=True)),
                ("created_at", moment(db_index=True, editable=False)),
                ("answer", submissions.models.JSONTextField(blank=True, db_column="raw_answer")),
                ("student_item", models.ForeignKey(on_delete=CASCADE, to="submissions.studentitem")),
                ("status", models.CharField(choices=DELETED_OR_ACTIVE, default="A", max_length=1)),
                (
                    "team_submission",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=SET_NULL,
                        related_name="submissions",
                        to="submissions.teamsubmission",
                    ),
                ),
            ],
            options={"ordering": ["-submitted_at", "-id"]},
        ),
        migrations.CreateModel(
            name="Score",
            fields=[
                ("id", ID()),
                ("points_earned", models.PositiveIntegerField(default=0)),
                ("points_possible", models.PositiveIntegerField(default=0)),
                ("created_at", moment(db_index=True, editable=False)),
                ("reset", models.BooleanField(default=False)),
                ("student_item", models.ForeignKey(on_delete=CASCADE, to="submissions.studentitem")),
                ("submission", models.ForeignKey(null=True, on_delete=CASCADE, to="submissions.submission")),
            ],
        ),
        migrations.CreateModel(
            name="ScoreSummary",
            fields=[
                ("id", ID()),
                ("highest", models.ForeignKey(on_delete=CASCADE, related_name="+", to="submissions.score")),
                ("latest", models.ForeignKey(on_delete=CASCADE, related_name="+", to="submissions.score")),
                ("student_item", models.OneToOneField(on_delete=CASCADE, to="submissions.studentitem")),
            ],
            options={"verbose_name_plural": "Score Summaries"},
        ),
        migrations.CreateModel(
            name="ScoreAnnotation",
            fields=[
                ("id", ID()),
                ("annotation_type", models.CharField(db_index=True, max_length=255)),
                ("creator", submissions.models.AnonymizedUserIDField()),
                ("reason", models.TextField()),
                ("score", models.ForeignKey(on_delete=CASCADE, to="submissions.score")),
            ],
        ),
        migrations.CreateModel(
            name="ExternalGraderDetail",
            fields=[
                ("id", ID()),
                ("queue_name", models.CharField(max_length=128)),
                ("grader_file_name", models.CharField(default="", max_length=128)),
                ("points_possible", models.PositiveIntegerField(default=1)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("pulled", "Pulled"),
                            ("retired", "Retired"),
                            ("failed", "Failed"),
                            ("retry", "Retry"),
                        ],
                        default="pending",
                        max_length=20,
                    ),
                ),
                ("pullkey", models.CharField(blank=True, max_length=128, null=True)),
                ("grader_reply", models.TextField(blank=True, null=True)),
                ("status_time", moment(db_index=True)),
                ("created_at", moment(db_index=True)),
                ("num_failures", models.PositiveIntegerField(default=0)),
                (
                    "submission",
                    models.OneToOneField(
                        on_delete=CASCADE, related_name="external_grader_detail", to="submissions.submission"
                    ),
                ),
                ("queue_key", models.CharField(max_length=128, null=True)),
            ],
            options={
                "ordering": ["-created_at"],
                "indexes": [
                    models.Index(fields=["queue_name", "status", "status_time"], name="submissions_queue_n_fbabd8_idx")
                ],
            },
        ),
        migrations.CreateModel(
            name="SubmissionFile",
            fields=[
                ("id", ID()),
                ("uuid", models.UUIDField(default=uuid.uuid4, editable=False)),
                (
                    "file",
                    models.FileField(
                        max_length=512,
                        storage=submissions.models.get_storage,
                        upload_to=submissions.models.submission_file_path,
                    ),
                ),
                ("original_filename", models.CharField(max_length=255)),
                ("created_at", moment()),
                (
                    "external_grader",
                    models.ForeignKey(
                        null=True, on_delete=SET_NULL, related_name="files", to="submissions.externalgraderdetail"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["external_grader", "uuid"], name="submissions_externa_ff8089_idx")]
            },
        ),
    ]
