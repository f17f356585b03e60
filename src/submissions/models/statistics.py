from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from submissions.models.table import Rows, Table


class ClaimOutcome(models.TextChoices):
    """How a claim ended that brought no score."""

    FAILED = "failed", _("Failed")
    LOST = "lost", _("Lost")
    """The lease ran out, and the job was offered again."""
    RELEASED = "released", _("Given back")
    LATE = "late", _("Late")
    """No end, but the result of a claim whose lease was over: accepted where nobody else had taken the job."""


class ClaimEnd(Table):
    """A claim that ended without a score. Rows are only added: a job's own row tells of its last claim alone."""

    queue_name = models.CharField(max_length=128)
    grader = models.CharField(max_length=150)
    outcome = models.CharField(max_length=10, choices=ClaimOutcome.choices)
    # Whether the job was given up with it.
    gave_up = models.BooleanField(default=False)
    # Not a foreign key: what is counted stays when a job is pruned.
    submission_id = models.PositiveIntegerField()
    at = models.DateTimeField(db_index=True)
    # Of a late result: from the claim to the result.
    seconds = models.FloatField(null=True)

    class Meta:
        app_label = "submissions"
        indexes = [models.Index(fields=["queue_name", "at"], name="submissions_claim_end_idx")]

    def __str__(self) -> str:
        return f"Claim of submission {self.submission_id} by {self.grader}: {self.outcome}"


class Counted(Table):
    """What is counted of one queue. The two histograms are JSON, as `submissions.statistics.histogram` writes them."""

    arrived = models.PositiveBigIntegerField(default=0)
    completed = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0)
    """Jobs that were given up."""
    claims_failed = models.PositiveBigIntegerField(default=0)
    claims_lost = models.PositiveBigIntegerField(default=0)
    claims_released = models.PositiveBigIntegerField(default=0)
    waits = models.TextField(default="")
    gradings = models.TextField(default="")

    class Meta:
        abstract = True


class QueueMinute(Counted):
    """One queue in one minute that is over; no row where nothing happened (`submissions.statistics.history`)."""

    queue_name = models.CharField(max_length=128)
    minute = models.DateTimeField(db_index=True)

    class Meta:
        app_label = "submissions"
        constraints = [models.UniqueConstraint(fields=["queue_name", "minute"], name="submissions_one_minute")]

    def __str__(self) -> str:
        return f"{self.queue_name} at {self.minute}"


class QueueTotal(Counted):
    """The sum of all minutes of a queue, also of those that were pruned: a counter never falls."""

    queue_name = models.CharField(max_length=128, unique=True)
    # Exact counts by state as JSON, of a queue that is too deep to be counted for each who asks.
    depths = models.TextField(default="", blank=True)
    counted_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "submissions"

    def __str__(self) -> str:
        return self.queue_name


class RollUp(Table):
    """How far the minutes are counted: one row, whose lock decides who counts on."""

    until = models.DateTimeField()
    # Up to here each minute was counted twice, the second time late enough to find what was committed late.
    checked = models.DateTimeField()

    class Meta:
        app_label = "submissions"

    def __str__(self) -> str:
        return f"Until {self.until}"


class TallyManager(Rows["Tally"]):
    def add(self, name: str, number: int = 1) -> None:
        """Count `number` more of `name`; the row is made with the first."""
        rows = self.filter(name=name)
        if number and not rows.update(value=models.F("value") + number):
            self.bulk_create([Tally(name=name)], ignore_conflicts=True)
            rows.update(value=models.F("value") + number)

    def value_of(self, name: str) -> int:
        return self.filter(name=name).values_list("value", flat=True).first() or 0

    def beginning_with(self, prefix: str) -> list[tuple[str, int]]:
        """Those whose names begin with `prefix`, without it, in order."""
        rows = self.filter(name__startswith=prefix).order_by("name")
        return [(name.removeprefix(prefix), number) for name, number in rows.values_list("name", "value")]


class Tally(Table):
    """A number that only grows, of what has no table of its own; the same for each process."""

    objects = TallyManager()  # type: ignore[misc]  # on the class, as all managers

    name = models.CharField(max_length=100, unique=True)
    value = models.PositiveBigIntegerField(default=0)

    class Meta:
        app_label = "submissions"

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"


class DepthSample(Table):
    """How deep a queue was in one minute, as it was counted then; no row where nothing was in it.

    The rows without a name are the sums of all queues, and say which minutes were looked at.
    """

    queue_name = models.CharField(max_length=128, blank=True)
    # Minutes since 1970 (UTC): a number, so that a database groups by any step.
    minute = models.PositiveIntegerField()
    waiting = models.PositiveIntegerField(default=0)
    being_graded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)

    class Meta:
        app_label = "submissions"
        constraints = [models.UniqueConstraint(fields=["queue_name", "minute"], name="submissions_one_sample")]

    def __str__(self) -> str:
        return f"{self.queue_name or 'all'} in minute {self.minute}"
