from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeAlias

from django.conf import settings
from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement
from django.db.models.functions import Now
from django.db.models.signals import pre_save
from django.db.models.sql.compiler import SQLCompiler
from django.dispatch import receiver
from django.utils.timezone import now
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from submissions import sql
from submissions.errors import QueueError
from submissions.models.fields import PointsField
from submissions.models.submission import Submission
from submissions.models.table import Rows, Table

Sql: TypeAlias = tuple[str, tuple[Any, ...]]


class DatabaseNow(Now):
    """The database's clock, to the microsecond: web nodes' clocks differ (ADR 0002)."""

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: object) -> Sql:
        # SQLite runs in this process, so its clock is this one. Its own function knows milliseconds only, and text
        # with three digits sorts before the same time written with six: a fresh job would seem not yet due.
        return "%s", (connection.ops.adapt_datetimefield_value(now()),)

    def as_mysql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: object) -> Sql:
        # CURRENT_TIMESTAMP is in the session's zone, which Django's times are not in.
        return sql.mysql_now(connection), ()


class DatabaseNowDefault(Now):
    """The same, for a column's default: there it is the database itself that must compute it."""

    def as_mysql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: object) -> Sql:
        return "UTC_TIMESTAMP(6)", ()


class ExternalGraderDetailQuerySet(models.QuerySet["ExternalGraderDetail"]):
    """Jobs by what can be done with them."""

    def claimable(self, queue_name: str) -> ExternalGraderDetailQuerySet:
        """Waiting, due again, or held under a lease that is over; who is next comes first."""
        due = self.filter(queue_name=queue_name, available_at__lte=DatabaseNow())
        return due.order_by("available_at", "id")

    def waiting(self) -> ExternalGraderDetailQuerySet:
        return self.filter(status__in=Status.waiting())

    def locked(self, *, skip_locked: bool = False) -> ExternalGraderDetailQuerySet:
        """These rows, locked until the transaction ends, each with the database's time as ``now``.

        ``skip_locked`` passes over what others hold, where the database can (MariaDB from 10.6 on); else it waits.
        """
        locked = self.select_for_update(skip_locked=skip_locked and self._can_skip())
        return locked.annotate(now=DatabaseNow())  # type: ignore[no-redef]  # the attribute is declared for its readers

    def locked_ids(self) -> models.QuerySet[ExternalGraderDetail, Any]:
        """The same: their ids alone, passing over what others hold."""
        return self.select_for_update(skip_locked=self._can_skip()).values_list("pk", flat=True)

    def _can_skip(self) -> bool:
        return bool(connections[self.db].features.has_select_for_update_skip_locked)

    # edx-submissions' questions, which `submissions.queue` does not ask. -----------------------------------------

    def time_filter(self) -> ExternalGraderDetailQuerySet:
        """Those whose status is older than ``SUBMISSION_PROCESSING_DELAY`` (minutes; an hour where it is not set)."""
        delay = timedelta(minutes=getattr(settings, "SUBMISSION_PROCESSING_DELAY", 60))
        return self.filter(status_time__lte=now() - delay)

    def get_queue_length(self, queue_name: str) -> int:
        """How many of a queue are pending for so long; `submissions.queue.depth` counts what a claim would find."""
        return self.time_filter().filter(queue_name=queue_name, status=Status.PENDING).count()

    def get_next_submission(self, queue_name: str) -> ExternalGraderDetail | None:
        """The oldest of them, locked until the caller's transaction ends, and not yet moved."""
        pending = self.time_filter().filter(queue_name=queue_name, status=Status.PENDING)
        return pending.order_by("created_at", "id").select_for_update().first()


ExternalGraderDetailManager = Rows.from_queryset(ExternalGraderDetailQuerySet)


class Status(models.TextChoices):
    """Where a job stands. The words are edx-submissions' own and are stored."""

    PENDING = "pending", _("Pending")
    """Never taken, or retried by an operator. Set by enqueue and retry."""
    PULLED = "pulled", _("Pulled")
    """A grader has it, until available_at. Set by claim."""
    RETIRED = "retired", _("Retired")
    """Finished: scored, superseded, or taken out by an operator. Nothing leaves this state."""
    FAILED = "failed", _("Failed")
    """Given up after too many failures; waits for an operator."""
    RETRY = "retry", _("Retry")
    """Given back or failed at; claimable again from available_at on."""

    @property
    def is_waiting(self) -> bool:
        """Nobody holds the job, and a grader can get it now or later. So does a pulled job whose lease is over."""
        return self in (Status.PENDING, Status.RETRY)

    @property
    def is_open(self) -> bool:
        """Nobody needs to act before the job can get its score: it waits, or a grader has it."""
        return self.is_waiting or self is Status.PULLED

    @property
    def takes_result(self) -> bool:
        """The key of the last claim is good for a result: also for a late one, after the lease or a failure."""
        return self in (Status.PULLED, Status.RETRY)

    @property
    def is_final(self) -> bool:
        """Nothing leaves this state."""
        return self is Status.RETIRED

    @classmethod
    def waiting(cls) -> tuple[Status, ...]:
        return tuple(status for status in cls if status.is_waiting)

    @classmethod
    def open(cls) -> tuple[Status, ...]:
        return tuple(status for status in cls if status.is_open)

    @classmethod
    def taking_results(cls) -> tuple[Status, ...]:
        return tuple(status for status in cls if status.takes_result)

    @classmethod
    def ended(cls) -> tuple[Status, ...]:
        """No grader is offered the job: finished, or given up."""
        return tuple(status for status in cls if not status.is_open)

    @classmethod
    def unfinished(cls) -> tuple[Status, ...]:
        """Open, or given up: an operator can still end or retry the job."""
        return tuple(status for status in cls if not status.is_final)


class IndexWhere(models.Index):
    """An index of the rows that `where` holds for; of all rows on MySQL and MariaDB, where Django would make none."""

    def __init__(self, *, where: models.Q, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Not `condition`: with it, each command on MariaDB would warn that there is no such index.
        self.where = where

    def deconstruct(self) -> tuple[str, Sequence[object], dict[str, object]]:
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "where": self.where}

    def create_sql(
        self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **kwargs: Any
    ) -> Statement:
        partial = schema_editor.connection.features.supports_partial_indexes
        index = models.Index(fields=self.fields, name=self.name, condition=self.where if partial else None)
        return index.create_sql(model, schema_editor, using, **kwargs)


class ExternalGraderDetail(Table):
    """A job: one submission that waits for, or went through, an external grader.

    Only the verbs of `submissions.queue` change it. `available_at` decides who is next:
    NULL means that nobody is offered this job.
    """

    Status = Status

    VALID_TRANSITIONS: ClassVar[dict[str, list[str]]] = {
        "pending": ["pulled"],
        "pulled": ["retired", "failed", "retry"],
        "retry": ["retired", "pulled"],
        "failed": ["pending"],
        "retired": [],
    }
    """What `update_status` may write. The verbs of `submissions.queue` know some moves more."""

    now: datetime
    """The database's time, on a row that `locked()` gave out; no column."""

    submission = models.OneToOneField(Submission, on_delete=models.CASCADE, related_name="external_grader_detail")
    queue_name = models.CharField(max_length=128)
    # The platform's own name for the attempt; it comes back with the result.
    queue_key = models.CharField(verbose_name=_("queue key"), max_length=128, null=True)
    grader_file_name = models.CharField(verbose_name=_("grader file name"), max_length=128, default="")
    points_possible = PointsField(verbose_name=_("points possible"), default=1)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.PENDING)
    # The secret that proves a claim: new with each claim, gone when the job is given up.
    pullkey = models.CharField(max_length=128, null=True, blank=True)
    # What the grader sent, verbatim: the result, or the last one that could not be scored.
    grader_reply = models.TextField(null=True, blank=True)
    status_time = models.DateTimeField(default=now, db_index=True)
    created_at = models.DateTimeField(default=now, db_index=True)
    num_failures = models.PositiveIntegerField(default=0)

    # From here on: ours. Each is nullable or has a database default, so that edx-submissions can still insert beside
    # us during a migration, and what it inserts is claimable.
    available_at = models.DateTimeField(null=True, blank=True, db_default=DatabaseNowDefault())
    pulled_at = models.DateTimeField(null=True, blank=True)
    returned_at = models.DateTimeField(null=True, blank=True)
    # The name of the account that took the job last.
    grader = models.CharField(max_length=150, default="", db_default="", blank=True)
    num_pulls = models.PositiveIntegerField(default=0, db_default=0)
    # Why the last grading did not end with a score, in words.
    last_error = models.TextField(null=True, blank=True)
    # The whole of a name that is longer than `queue_key` holds.
    long_queue_key = models.TextField(null=True, blank=True, editable=False)
    # Verbatim from the platform: what edx-submissions reduces to {"grader": ...}.
    grader_payload = models.TextField(null=True, blank=True)
    student_info = models.TextField(null=True, blank=True)
    # The whole xqueue_body of a platform that submits over HTTP: the grader gets it byte for byte.
    body = models.TextField(null=True, blank=True)
    # XQueue's submit does not say what a problem is worth; points_possible is then no maximum (ADR 0051).
    points_known = models.BooleanField(default=True, db_default=True)
    # Files that are kept elsewhere, as JSON: names and addresses, handed to the grader as they are.
    file_links = models.TextField(null=True, blank=True)
    # What became of the claims that ended, as JSON; `submissions.queue.claim_log` reads and writes it.
    pulls = models.TextField(null=True, blank=True, editable=False)
    # The name of the claim in REST, where it was made there: new with each claim, as the key is. It stays known while
    # the job is failed, cancelled or graded, so that its grader can be told so.
    claim_id = models.UUIDField(null=True, blank=True, editable=False)
    # The result that a grader sent by REST, as JSON (`submissions.rest.result`), and the SHA-256 of what was sent.
    result = models.TextField(null=True, blank=True, editable=False)
    result_digest = models.CharField(max_length=64, default="", db_default="", blank=True, editable=False)
    # Claims in a row that ended without anybody's fault: given back, or the grader's machine broke.
    interruptions = models.PositiveIntegerField(default=0, db_default=0, editable=False)

    objects = ExternalGraderDetailManager()  # type: ignore[misc]  # on the class, as all managers

    class Meta:
        app_label = "submissions"
        verbose_name = _("external grader detail")
        verbose_name_plural = _("external grader details")
        ordering = ["-created_at"]
        permissions = [
            ("can_retry", "Can put failed jobs back"),
            ("can_retire", "Can end jobs without a score"),
            ("can_release", "Can take jobs away from graders"),
        ]
        indexes = [
            models.Index(fields=["queue_name", "status", "status_time"]),
            # The claim walks this one and nothing else; id makes the order of equal times certain.
            models.Index(fields=["queue_name", "available_at", "id"], name="submissions_claim_idx"),
            # For people who look for jobs; a claim must not pay for more of them (ADR 0060).
            models.Index(fields=["queue_key"], name="submissions_queue_key_idx"),
            models.Index(fields=["grader_file_name", "id"], name="submissions_file_name_idx"),
            IndexWhere(
                fields=["num_failures", "id"], where=models.Q(num_failures__gt=0), name="submissions_failures_idx"
            ),
            # A job that XQueue's graders claim has no entry in it.
            IndexWhere(fields=["claim_id"], where=models.Q(claim_id__isnull=False), name="submissions_claim_id_idx"),
        ]

    @property
    def is_graded(self) -> bool:
        """Finished with a score: a job that ended without one has a reason why (docs/states.md)."""
        return self.status == Status.RETIRED and not self.last_error

    @property
    def look(self) -> str:
        """What a style sheet colours it by: the status, or how a finished job ended."""
        return self.status if self.status != Status.RETIRED else "graded" if self.is_graded else "ended"

    @property
    def state_in_words(self) -> str:
        """For people, in their language: the status, or how a finished job ended."""
        return gettext(self.plain_state) if self.plain_state in STATE_WORDS else self.plain_state

    @property
    def plain_state(self) -> str:
        """The same in English, for what is sent or stored."""
        return {"graded": "graded", "ended": "ended without score"}.get(self.look, self.status)

    @property
    def whole_queue_key(self) -> str:
        """The platform's own name for the attempt, as it came; "" where it gave none."""
        return self.long_queue_key or self.queue_key or ""

    def __str__(self) -> str:
        return f"Job {self.submission_id} in {self.queue_name}: {self.status}"

    @classmethod
    def create_from_uuid(cls, submission_uuid: uuid.UUID | str, **kwargs: object) -> ExternalGraderDetail:
        """Make the job of an existing submission (edx-submissions' door; `queue.enqueue` is ours)."""
        return cls.objects.create(submission=Submission.objects.get(uuid=submission_uuid), **kwargs)

    def can_transition_to(self, new_status: str, current_status: str | None = None) -> bool:
        """Whether `update_status` takes a job from its status, or from `current_status`, to this one."""
        return new_status in self.VALID_TRANSITIONS.get(self.status if current_status is None else current_status, [])

    def update_status(self, new_status: str) -> None:
        """Move the job, with all that its queue knows of such a move; this row then says what the table says.

        For who has only edx-submissions' word for it: a claim made so has no grader, and its result no score.
        Raises ValueError where the status, or the one that the table has by now, does not lead there.
        """
        from submissions import queue  # it stands above the tables, and moves them

        if not self.can_transition_to(new_status):
            raise ValueError(f"Invalid status transition from {self.status} to {new_status}")
        try:
            moved = queue.move_to(self.submission_id, new_status)
        except QueueError as refusal:
            raise ValueError(str(refusal)) from refusal
        for name in MOVED:
            setattr(self, name, getattr(moved, name))


STATE_WORDS = (
    *(gettext_noop("pending"), gettext_noop("pulled"), gettext_noop("failed"), gettext_noop("retry")),
    *(gettext_noop("graded"), gettext_noop("ended without score")),
)
# What a move can change.
MOVED = (
    *("status", "status_time", "num_failures", "pullkey", "available_at", "pulled_at"),
    *("returned_at", "grader", "num_pulls", "last_error", "pulls", "claim_id", "interruptions"),
)
# A row that somebody else made as pulled says no end of its lease: edx-submissions' is five minutes.
FOREIGN_LEASE = timedelta(minutes=5)


@receiver(pre_save, sender=ExternalGraderDetail)
def fill_available_at(instance: ExternalGraderDetail, **_: object) -> None:
    """Who makes a row without saying when it is due (a fixture of edx-submissions) means what its status says."""
    due: object = instance.available_at
    if due is None or isinstance(due, datetime):
        return
    if instance.status in Status.ended():
        instance.available_at = None
    elif instance.status == Status.PULLED:
        instance.available_at = instance.status_time + FOREIGN_LEASE
