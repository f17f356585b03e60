import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import submissions.checks
import submissions.models.fields
import uuid
from django.conf import settings
from django.db import migrations, models

from submissions.migration import Resumable


class Migration(Resumable):
    """Names for people, which the admin translates: no statement."""

    dependencies = [
        ("submissions", "0027_operators_keep_their_reset"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="delivery",
            options={
                "permissions": [("can_resend", "Can send deliveries again")],
                "verbose_name": "delivery",
                "verbose_name_plural": "deliveries",
            },
        ),
        migrations.AlterModelOptions(
            name="deliveryhost",
            options={"verbose_name": "delivery host", "verbose_name_plural": "delivery hosts"},
        ),
        migrations.AlterModelOptions(
            name="externalgraderdetail",
            options={
                "ordering": ["-created_at"],
                "permissions": [
                    ("can_retry", "Can put failed jobs back"),
                    ("can_retire", "Can end jobs without a score"),
                    ("can_release", "Can take jobs away from graders"),
                ],
                "verbose_name": "external grader detail",
                "verbose_name_plural": "external grader details",
            },
        ),
        migrations.AlterModelOptions(
            name="graderqueue",
            options={
                "ordering": ["name"],
                "permissions": [("can_pause", "Can pause and resume queues")],
                "verbose_name": "grader queue",
                "verbose_name_plural": "grader queues",
            },
        ),
        migrations.AlterModelOptions(
            name="logincounter",
            options={"verbose_name": "login counter", "verbose_name_plural": "login counters"},
        ),
        migrations.AlterModelOptions(
            name="operatormove",
            options={"verbose_name": "operator move", "verbose_name_plural": "operator moves"},
        ),
        migrations.AlterModelOptions(
            name="score",
            options={"verbose_name": "score", "verbose_name_plural": "scores"},
        ),
        migrations.AlterModelOptions(
            name="scoreannotation",
            options={"verbose_name": "score annotation", "verbose_name_plural": "score annotations"},
        ),
        migrations.AlterModelOptions(
            name="scoresummary",
            options={"verbose_name": "score summary", "verbose_name_plural": "Score Summaries"},
        ),
        migrations.AlterModelOptions(
            name="studentitem",
            options={"verbose_name": "student item", "verbose_name_plural": "student items"},
        ),
        migrations.AlterModelOptions(
            name="submission",
            options={
                "ordering": ["-submitted_at", "-id"],
                "verbose_name": "submission",
                "verbose_name_plural": "submissions",
            },
        ),
        migrations.AlterModelOptions(
            name="submissionfile",
            options={"verbose_name": "submission file", "verbose_name_plural": "submission files"},
        ),
        migrations.AlterModelOptions(
            name="teamsubmission",
            options={
                "ordering": ["-submitted_at", "-id"],
                "verbose_name": "team submission",
                "verbose_name_plural": "team submissions",
            },
        ),
        migrations.AlterModelOptions(
            name="token",
            options={"ordering": ["-pk"], "verbose_name": "token", "verbose_name_plural": "tokens"},
        ),
        migrations.AlterField(
            model_name="delivery",
            name="attempts",
            field=models.PositiveIntegerField(default=0, verbose_name="attempts"),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="destination",
            field=models.TextField(blank=True, default="", verbose_name="destination"),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="last_error",
            field=models.TextField(blank=True, null=True, verbose_name="last error"),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="state",
            field=models.CharField(
                choices=[
                    ("waiting", "Waiting for the result"),
                    ("due", "Due"),
                    ("delivered", "Delivered"),
                    ("given_up", "Given up"),
                    ("dropped", "Nothing to tell"),
                ],
                default="waiting",
                max_length=10,
                verbose_name="state",
            ),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="transport",
            field=models.CharField(
                choices=[
                    ("signal", "Django signal"),
                    ("event", "Open edX event"),
                    ("callback", "XQueue callback"),
                    ("webhook", "Signed webhook"),
                ],
                max_length=20,
                verbose_name="transport",
            ),
        ),
        migrations.AlterField(
            model_name="externalgraderdetail",
            name="grader_file_name",
            field=models.CharField(default="", max_length=128, verbose_name="grader file name"),
        ),
        migrations.AlterField(
            model_name="externalgraderdetail",
            name="points_possible",
            field=submissions.models.fields.PointsField(default=1, verbose_name="points possible"),
        ),
        migrations.AlterField(
            model_name="externalgraderdetail",
            name="queue_key",
            field=models.CharField(max_length=128, null=True, verbose_name="queue key"),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="backoff_seconds",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="The pause after a first failure; it doubles with each further one (seconds).",
                null=True,
                verbose_name="backoff seconds",
            ),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="callback_hosts",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="The hosts that results may be sent to, one per line (*.example.org: also those below); empty: as SUBMISSIONS_CALLBACK_HOSTS says.",
                verbose_name="callback hosts",
            ),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="files_max_bytes",
            field=models.PositiveBigIntegerField(
                blank=True,
                help_text="The most that they may have together, where the site allows more (bytes).",
                null=True,
                verbose_name="files max bytes",
            ),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="files_max_count",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="How many files a submission may have, where the site allows more; 0: none.",
                null=True,
                verbose_name="files max count",
            ),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="graders",
            field=models.ManyToManyField(
                blank=True,
                help_text="Who may pull, once the queue is restricted or anybody is listed; else every grader.",
                related_name="granted_queues",
                to=settings.AUTH_USER_MODEL,
                verbose_name="graders",
            ),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="initial_delay_seconds",
            field=models.PositiveIntegerField(
                default=0,
                help_text="How long a new job waits before it is offered (seconds).",
                verbose_name="initial delay seconds",
            ),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="lease_seconds",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="How long a grader may keep a job before another one may take it (seconds).",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
                verbose_name="lease seconds",
            ),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="max_failures",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="At how many failures a job is given up and waits for an operator.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
                verbose_name="max failures",
            ),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="max_grading_seconds",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="How long a grader may keep a job that it goes on renewing, by REST (seconds).",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
                verbose_name="max grading seconds",
            ),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="name",
            field=models.CharField(max_length=128, unique=True, verbose_name="name"),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="notify_failures",
            field=models.BooleanField(
                blank=True,
                help_text="Whether the platform is told of a job that ended without a score; empty: as SUBMISSIONS_NOTIFY_FAILURES says.",
                null=True,
                verbose_name="notify failures",
            ),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="observers",
            field=models.ManyToManyField(
                blank=True,
                help_text="Who may look at this queue on the dashboard, without students' ids and without changing anything.",
                related_name="observed_queues",
                to=settings.AUTH_USER_MODEL,
                verbose_name="observers",
            ),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="paused",
            field=models.BooleanField(
                default=False, help_text="Graders are told that the queue is empty.", verbose_name="paused"
            ),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="push_url",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Where jobs are sent, for a grader that is pushed to; empty: graders pull.",
                max_length=1000,
                validators=[django.core.validators.URLValidator(schemes=["http", "https"])],
                verbose_name="push url",
            ),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="restricted",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Only the listed graders may pull; set with the first one listed.",
                verbose_name="restricted",
            ),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="score_meaning",
            field=models.CharField(
                choices=[("ratio", "Share of the points, 0 to 1"), ("points", "Points")],
                default="ratio",
                help_text="What the number in a grader's reply means.",
                max_length=10,
                verbose_name="score meaning",
            ),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="submitters",
            field=models.ManyToManyField(
                blank=True,
                help_text="Who may submit over HTTP to this queue, besides the members of the submitters' group.",
                related_name="submitting_queues",
                to=settings.AUTH_USER_MODEL,
                verbose_name="submitters",
            ),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="supersede",
            field=models.BooleanField(
                default=False,
                help_text="A newer submission of a learner to an item retires the older ones that still wait.",
                verbose_name="supersede",
            ),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="wait_milliseconds",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                help_text="How long a poll by XQueue waits for a job to come, where there is none (milliseconds).",
                validators=[django.core.validators.MaxValueValidator(999)],
                verbose_name="wait milliseconds",
            ),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="webhook_secrets",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="What webhooks are signed with (whsec_...), one per line; several while they are exchanged.",
                validators=[submissions.checks.validate_webhook_secrets],
                verbose_name="webhook secrets",
            ),
        ),
        migrations.AlterField(
            model_name="graderqueue",
            name="webhook_url",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Where each result is sent as a signed webhook; empty: as SUBMISSIONS_WEBHOOK_URL says.",
                max_length=1000,
                validators=[django.core.validators.URLValidator(schemes=["http", "https"])],
                verbose_name="webhook url",
            ),
        ),
        migrations.AlterField(
            model_name="logincounter",
            name="failures",
            field=models.PositiveIntegerField(default=0, verbose_name="failures"),
        ),
        migrations.AlterField(
            model_name="logincounter",
            name="known",
            field=models.BooleanField(default=False, verbose_name="known"),
        ),
        migrations.AlterField(
            model_name="score",
            name="reset",
            field=models.BooleanField(default=False, verbose_name="reset"),
        ),
        migrations.AlterField(
            model_name="scoreannotation",
            name="annotation_type",
            field=models.CharField(db_index=True, max_length=255, verbose_name="annotation type"),
        ),
        migrations.AlterField(
            model_name="scoreannotation",
            name="creator",
            field=submissions.models.fields.AnonymizedUserIDField(verbose_name="creator"),
        ),
        migrations.AlterField(
            model_name="scoreannotation",
            name="reason",
            field=models.TextField(verbose_name="reason"),
        ),
        migrations.AlterField(
            model_name="scoreannotation",
            name="score",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, to="submissions.score", verbose_name="score"
            ),
        ),
        migrations.AlterField(
            model_name="scoresummary",
            name="highest",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="submissions.score",
                verbose_name="highest",
            ),
        ),
        migrations.AlterField(
            model_name="scoresummary",
            name="latest",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="submissions.score",
                verbose_name="latest",
            ),
        ),
        migrations.AlterField(
            model_name="studentitem",
            name="course_id",
            field=models.CharField(db_index=True, max_length=255, verbose_name="course id"),
        ),
        migrations.AlterField(
            model_name="studentitem",
            name="item_id",
            field=models.CharField(db_index=True, max_length=255, verbose_name="item id"),
        ),
        migrations.AlterField(
            model_name="studentitem",
            name="item_type",
            field=models.CharField(max_length=100, verbose_name="item type"),
        ),
        migrations.AlterField(
            model_name="studentitem",
            name="student_id",
            field=submissions.models.fields.AnonymizedUserIDField(verbose_name="student id"),
        ),
        migrations.AlterField(
            model_name="submission",
            name="attempt_number",
            field=models.PositiveIntegerField(verbose_name="attempt number"),
        ),
        migrations.AlterField(
            model_name="submission",
            name="status",
            field=models.CharField(
                choices=[("D", "Deleted"), ("A", "Active")], default="A", max_length=1, verbose_name="status"
            ),
        ),
        migrations.AlterField(
            model_name="submission",
            name="team_submission",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="submissions",
                to="submissions.teamsubmission",
                verbose_name="team submission",
            ),
        ),
        migrations.AlterField(
            model_name="submission",
            name="uuid",
            field=models.UUIDField(db_index=True, default=uuid.uuid4, verbose_name="uuid"),
        ),
        migrations.AlterField(
            model_name="submissionfile",
            name="original_filename",
            field=models.CharField(max_length=255, verbose_name="original filename"),
        ),
        migrations.AlterField(
            model_name="submissionfile",
            name="uuid",
            field=models.UUIDField(default=uuid.uuid4, editable=False, verbose_name="uuid"),
        ),
        migrations.AlterField(
            model_name="teamsubmission",
            name="attempt_number",
            field=models.PositiveIntegerField(verbose_name="attempt number"),
        ),
        migrations.AlterField(
            model_name="teamsubmission",
            name="course_id",
            field=models.CharField(db_index=True, max_length=255, verbose_name="course id"),
        ),
        migrations.AlterField(
            model_name="teamsubmission",
            name="item_id",
            field=models.CharField(db_index=True, max_length=255, verbose_name="item id"),
        ),
        migrations.AlterField(
            model_name="teamsubmission",
            name="modified",
            field=models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name="modified"),
        ),
        migrations.AlterField(
            model_name="teamsubmission",
            name="status",
            field=models.CharField(
                choices=[("D", "Deleted"), ("A", "Active")], default="A", max_length=1, verbose_name="status"
            ),
        ),
        migrations.AlterField(
            model_name="teamsubmission",
            name="submitted_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                to=settings.AUTH_USER_MODEL,
                verbose_name="submitted by",
            ),
        ),
        migrations.AlterField(
            model_name="teamsubmission",
            name="team_id",
            field=models.CharField(db_index=True, max_length=255, verbose_name="team id"),
        ),
        migrations.AlterField(
            model_name="teamsubmission",
            name="uuid",
            field=models.UUIDField(db_index=True, default=uuid.uuid4, verbose_name="uuid"),
        ),
        migrations.AlterField(
            model_name="token",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="tokens",
                to=settings.AUTH_USER_MODEL,
                verbose_name="account",
            ),
        ),
        migrations.AlterField(
            model_name="token",
            name="expires_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="expires at"),
        ),
        migrations.AlterField(
            model_name="token",
            name="name",
            field=models.CharField(
                blank=True, default="", help_text="What it is for.", max_length=100, verbose_name="name"
            ),
        ),
        migrations.AlterField(
            model_name="token",
            name="queue_patterns",
            field=models.TextField(
                help_text="Queues, one per line; * stands for any characters.", verbose_name="queue patterns"
            ),
        ),
        migrations.AlterField(
            model_name="token",
            name="scopes",
            field=models.CharField(max_length=60, verbose_name="scopes"),
        ),
    ]
