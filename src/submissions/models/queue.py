from __future__ import annotations

import reprlib
from decimal import Decimal

from django.conf import settings
from django.core.validators import MinValueValidator, URLValidator
from django.db import models

from submissions.checks import validate_webhook_secrets
from submissions.conf import conf
from submissions.errors import BadReply
from submissions.models.fields import whole

# Where nobody told the maximum: larger ones are a grader's mistake.
MOST_POINTS = 1_000_000


class ScoreMeaning(models.TextChoices):
    """What the number in a grader's reply means."""

    RATIO = "ratio", "Share of the points, 0 to 1"
    POINTS = "points", "Points"


class GraderQueue(models.Model):
    """The settings of one queue. An empty number means: as SUBMISSIONS_* says."""

    name = models.CharField(max_length=128, unique=True)
    lease_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="How long a grader may keep a job before another one may take it (seconds).",
    )
    max_failures = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="At how many failures a job is given up and waits for an operator.",
    )
    backoff_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="The pause after a first failure; it doubles with each further one (seconds)."
    )
    score_meaning = models.CharField(
        max_length=10,
        choices=ScoreMeaning.choices,
        default=ScoreMeaning.RATIO,
        help_text="What the number in a grader's reply means.",
    )
    supersede = models.BooleanField(
        default=False, help_text="A newer submission of a learner to an item retires the older ones that still wait."
    )
    paused = models.BooleanField(default=False, help_text="Graders are told that the queue is empty.")
    initial_delay_seconds = models.PositiveIntegerField(
        default=0, help_text="How long a new job waits before it is offered (seconds)."
    )
    files_max_count = models.PositiveIntegerField(
        null=True, blank=True, help_text="How many files a submission may have, where the site allows more; 0: none."
    )
    files_max_bytes = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="The most that they may have together, where the site allows more (bytes)."
    )
    push_url = models.CharField(
        max_length=1000,
        blank=True,
        default="",
        validators=[URLValidator(schemes=["http", "https"])],
        help_text="Where jobs are sent, for a grader that is pushed to; empty: graders pull.",
    )
    callback_hosts = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="The hosts that results may be sent to, one per line (*.example.org: also those below); "
        "empty: as SUBMISSIONS_CALLBACK_HOSTS says.",
    )
    webhook_url = models.CharField(
        max_length=1000,
        blank=True,
        default="",
        db_default="",
        validators=[URLValidator(schemes=["http", "https"])],
        help_text="Where each result is sent as a signed webhook; empty: as SUBMISSIONS_WEBHOOK_URL says.",
    )
    webhook_secrets = models.TextField(
        blank=True,
        default="",
        db_default="",
        validators=[validate_webhook_secrets],
        help_text="What webhooks are signed with (whsec_...), one per line; several while they are exchanged.",
    )
    notify_failures = models.BooleanField(
        null=True,
        blank=True,
        help_text="Whether the platform is told of a job that ended without a score; "
        "empty: as SUBMISSIONS_NOTIFY_FAILURES says.",
    )
    graders = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        blank=True,
        related_name="granted_queues",
        help_text="Who may pull, once the queue is restricted or anybody is listed; else every grader.",
    )
    observers = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        blank=True,
        related_name="observed_queues",
        help_text="Who may look at this queue on the dashboard, without students' ids and without changing anything.",
    )
    # A flag of its own: with the last listed account deleted, the queue must not fall open.
    restricted = models.BooleanField(
        default=False, db_default=False, help_text="Only the listed graders may pull; set with the first one listed."
    )
    submitters = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        blank=True,
        related_name="submitting_queues",
        help_text="Who may submit over HTTP to this queue, besides the members of the submitters' group.",
    )
    last_polled_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_polled_by = models.CharField(max_length=150, blank=True, default="", editable=False)

    class Meta:
        app_label = "submissions"
        ordering = ["name"]
        permissions = [("can_pause", "Can pause and resume queues")]

    def __str__(self) -> str:
        return self.name

    @property
    def lease(self) -> int:
        """How long a claim holds (seconds)."""
        return self.lease_seconds or int(conf.LEASE_SECONDS)

    @property
    def failure_limit(self) -> int:
        return self.max_failures or int(conf.MAX_FAILURES)

    def points(self, score: object, possible: float | None) -> float:
        """What the number in a reply is worth, in points; BadReply where it is no score.

        `possible`: None where only the platform knows the maximum; then the number is points (ADR 0051).
        """
        if isinstance(score, bool) or not isinstance(score, int | float):
            raise BadReply(f"The score must be a number, not {reprlib.repr(score)}.")
        is_share = self.score_meaning == ScoreMeaning.RATIO and possible is not None
        top = 1 if is_share else MOST_POINTS if possible is None else possible
        if not 0 <= score <= top:
            raise BadReply(f"The score must be between 0 and {top:g}, not {reprlib.repr(score)}.")
        # In decimals: 0.07 of 100 points are 7, not 7.000000000000001.
        worth = Decimal(repr(score)) * (Decimal(repr(possible)) if is_share else 1)
        return whole(float(worth)) or 0

    @property
    def tells_failures(self) -> bool:
        """Whether the platform is told of a job that ended without a score."""
        return bool(conf.NOTIFY_FAILURES) if self.notify_failures is None else self.notify_failures

    def backoff(self, failures: int) -> int:
        """The pause after the `failures`-th failure (seconds)."""
        first = conf.BACKOFF_SECONDS if self.backoff_seconds is None else self.backoff_seconds
        # min() over the exponent first: two to the power of a hostile counter must not be computed.
        return int(min(first * 2 ** min(max(failures - 1, 0), 30), conf.BACKOFF_CEILING_SECONDS))


class GraderSighting(models.Model):
    """When a grader last polled a queue: is there somebody else to offer a job to, and whom does an operator miss?"""

    queue = models.ForeignKey(GraderQueue, on_delete=models.CASCADE, related_name="sightings")
    grader = models.CharField(max_length=150)
    seen_at = models.DateTimeField()

    class Meta:
        app_label = "submissions"
        constraints = [models.UniqueConstraint(fields=["queue", "grader"], name="submissions_one_sighting")]

    def __str__(self) -> str:
        return f"{self.grader} at {self.queue}: {self.seen_at}"
