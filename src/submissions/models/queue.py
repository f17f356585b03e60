from __future__ import annotations

import reprlib
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, URLValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from submissions.checks import validate_webhook_secrets
from submissions.conf import conf
from submissions.errors import AboveShare, BadReply
from submissions.models.fields import whole
from submissions.models.table import Table

# Where nobody told the maximum: larger ones are a grader's mistake.
MOST_POINTS = 1_000_000
# Two numbers of points that differ by no more than this share of the larger one are the same number.
ROUNDING = 1e-9
# A grader's author sent JSON, and not Python.
JSON_WORDS = {"None": "null", "True": "true", "False": "false"}


class ScoreMeaning(models.TextChoices):
    """What the number in a grader's reply means."""

    RATIO = "ratio", _("Share of the points, 0 to 1")
    POINTS = "points", _("Points")


class GraderQueue(Table):
    """The settings of one queue. An empty number means: as SUBMISSIONS_* says."""

    name = models.CharField(verbose_name=_("name"), max_length=128, unique=True)
    lease_seconds = models.PositiveIntegerField(
        verbose_name=_("lease seconds"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("How long a grader may keep a job before another one may take it (seconds)."),
    )
    max_grading_seconds = models.PositiveIntegerField(
        verbose_name=_("max grading seconds"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("How long a grader may keep a job that it goes on renewing, by REST (seconds)."),
    )
    wait_milliseconds = models.PositiveIntegerField(
        verbose_name=_("wait milliseconds"),
        default=0,
        db_default=0,
        validators=[MaxValueValidator(999)],
        help_text=_("How long a poll by XQueue waits for a job to come, where there is none (milliseconds)."),
    )
    max_failures = models.PositiveIntegerField(
        verbose_name=_("max failures"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("At how many failures a job is given up and waits for an operator."),
    )
    backoff_seconds = models.PositiveIntegerField(
        verbose_name=_("backoff seconds"),
        null=True,
        blank=True,
        help_text=_("The pause after a first failure; it doubles with each further one (seconds)."),
    )
    score_meaning = models.CharField(
        verbose_name=_("score meaning"),
        max_length=10,
        choices=ScoreMeaning.choices,
        default=ScoreMeaning.RATIO,
        help_text=_("What the number in a grader's reply means."),
    )
    supersede = models.BooleanField(
        verbose_name=_("supersede"),
        default=False,
        help_text=_("A newer submission of a learner to an item retires the older ones that still wait."),
    )
    paused = models.BooleanField(
        verbose_name=_("paused"), default=False, help_text=_("Graders are told that the queue is empty.")
    )
    initial_delay_seconds = models.PositiveIntegerField(
        verbose_name=_("initial delay seconds"),
        default=0,
        help_text=_("How long a new job waits before it is offered (seconds)."),
    )
    files_max_count = models.PositiveIntegerField(
        verbose_name=_("files max count"),
        null=True,
        blank=True,
        help_text=_("How many files a submission may have, where the site allows more; 0: none."),
    )
    files_max_bytes = models.PositiveBigIntegerField(
        verbose_name=_("files max bytes"),
        null=True,
        blank=True,
        help_text=_("The most that they may have together, where the site allows more (bytes)."),
    )
    push_url = models.CharField(
        verbose_name=_("push url"),
        max_length=1000,
        blank=True,
        default="",
        validators=[URLValidator(schemes=["http", "https"])],
        help_text=_("Where jobs are sent, for a grader that is pushed to; empty: graders pull."),
    )
    callback_hosts = models.TextField(
        verbose_name=_("callback hosts"),
        blank=True,
        default="",
        db_default="",
        help_text=_(
            "The hosts that results may be sent to, one per line (*.example.org: also those below); "
            "empty: as SUBMISSIONS_CALLBACK_HOSTS says."
        ),
    )
    webhook_url = models.CharField(
        verbose_name=_("webhook url"),
        max_length=1000,
        blank=True,
        default="",
        db_default="",
        validators=[URLValidator(schemes=["http", "https"])],
        help_text=_("Where each result is sent as a signed webhook; empty: as SUBMISSIONS_WEBHOOK_URL says."),
    )
    webhook_secrets = models.TextField(
        verbose_name=_("webhook secrets"),
        blank=True,
        default="",
        db_default="",
        validators=[validate_webhook_secrets],
        help_text=_("What webhooks are signed with (whsec_...), one per line; several while they are exchanged."),
    )
    notify_failures = models.BooleanField(
        verbose_name=_("notify failures"),
        null=True,
        blank=True,
        help_text=_(
            "Whether the platform is told of a job that ended without a score; "
            "empty: as SUBMISSIONS_NOTIFY_FAILURES says."
        ),
    )
    graders = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        verbose_name=_("graders"),
        blank=True,
        related_name="granted_queues",
        help_text=_("Who may pull, once the queue is restricted or anybody is listed; else every grader."),
    )
    observers = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        verbose_name=_("observers"),
        blank=True,
        related_name="observed_queues",
        help_text=_(
            "Who may look at this queue on the dashboard, without students' ids and without changing anything."
        ),
    )
    # A flag of its own: with the last listed account deleted, the queue must not fall open.
    restricted = models.BooleanField(
        verbose_name=_("restricted"),
        default=False,
        db_default=False,
        help_text=_("Only the listed graders may pull; set with the first one listed."),
    )
    submitters = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        verbose_name=_("submitters"),
        blank=True,
        related_name="submitting_queues",
        help_text=_("Who may submit over HTTP to this queue, besides the members of the submitters' group."),
    )
    last_polled_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_polled_by = models.CharField(max_length=150, blank=True, default="", editable=False)
    # When a reply was last refused because its score is no share, but would be points; and when one last lacked what
    # platforms insist on.
    points_seen_at = models.DateTimeField(null=True, editable=False)
    incomplete_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        app_label = "submissions"
        verbose_name = _("grader queue")
        verbose_name_plural = _("grader queues")
        ordering = ["name"]
        permissions = [("can_pause", "Can pause and resume queues")]

    def __str__(self) -> str:
        return self.name

    @property
    def lease(self) -> int:
        """How long a claim holds (seconds)."""
        return self.lease_seconds or int(conf.LEASE_SECONDS)

    def deadline(self, pulled_at: datetime) -> datetime:
        """Until when a claim of this time may be renewed."""
        return pulled_at + timedelta(seconds=self.max_grading)

    @property
    def max_grading(self) -> int:
        """How long a claim may be renewed (seconds)."""
        return self.max_grading_seconds or max(int(conf.MAX_GRADING_SECONDS), self.lease)

    @property
    def failure_limit(self) -> int:
        return self.max_failures or int(conf.MAX_FAILURES)

    def points(self, score: object, possible: float | None, meaning: ScoreMeaning | None = None) -> float:
        """What the number in a reply is worth, in points; BadReply where it is no score.

        `possible`: None where only the platform knows the maximum; then the number is points (ADR 0051). `meaning`:
        what the number means, where that is not the queue's to say. What a sum of fractions is off by is no fault.
        """
        if isinstance(score, bool) or not isinstance(score, int | float):
            said = reprlib.repr(score)
            raise BadReply(f"The score must be a number, not {JSON_WORDS.get(said, said)}.")
        is_share = (meaning or self.score_meaning) == ScoreMeaning.RATIO and possible is not None
        if possible == 0 and not is_share and 0 <= score <= MOST_POINTS:
            return 0  # a problem for practice: graded, and worth nothing
        top = 1 if is_share or meaning == ScoreMeaning.RATIO else MOST_POINTS if possible is None else possible
        score = _without_rounding_error(score, top)
        if not 0 <= score <= top:
            kind = AboveShare if is_share and score > top else BadReply
            raise kind(f"The score must be between 0 and {top:g}, not {reprlib.repr(score)}.")
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


def _without_rounding_error(score: float, top: float) -> float:
    """The end of the range, where `score` is next to nothing beyond it: graders add up weights in binary fractions."""
    slack = ROUNDING * top
    if -slack <= score < 0:
        return 0
    return top if top < score <= top + slack else score


class GraderSighting(Table):
    """When a grader last polled a queue: is there somebody else to offer a job to, and whom does an operator miss?"""

    queue = models.ForeignKey(GraderQueue, on_delete=models.CASCADE, related_name="sightings")
    grader = models.CharField(max_length=150)
    seen_at = models.DateTimeField()

    class Meta:
        app_label = "submissions"
        constraints = [models.UniqueConstraint(fields=["queue", "grader"], name="submissions_one_sighting")]

    def __str__(self) -> str:
        return f"{self.grader} at {self.queue}: {self.seen_at}"
