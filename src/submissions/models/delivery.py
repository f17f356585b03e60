from __future__ import annotations

from django.db import connections, models
from django.utils.translation import gettext_lazy as _

from submissions.models.fields import PointsField
from submissions.models.job import ExternalGraderDetail
from submissions.models.table import Rows, Table


class Transport(models.TextChoices):
    """How a result is sent."""

    SIGNAL = "signal", _("Django signal")
    EVENT = "event", _("Open edX event")
    CALLBACK = "callback", _("XQueue callback")
    WEBHOOK = "webhook", _("Signed webhook")

    @classmethod
    def in_process(cls) -> tuple[Transport, ...]:
        """Those that call the platform's own code, here; their deliveries have no destination."""
        return cls.SIGNAL, cls.EVENT


class DeliveryState(models.TextChoices):
    WAITING = "waiting", _("Waiting for the result")
    """Made with the job; there is nothing to send yet."""
    DUE = "due", _("Due")
    """The result is there; to be sent from due_at on. While it is being sent, due_at is the end of the lease."""
    DELIVERED = "delivered", _("Delivered")
    GIVEN_UP = "given_up", _("Given up")
    """Refused for good, or too old; waits for an operator."""
    DROPPED = "dropped", _("Nothing to tell")
    """The job ended in a way that this destination need not hear of."""


class Told(models.TextChoices):
    """What a delivery tells its destination."""

    NOTHING_YET = "", _("Nothing yet")
    SCORE = "score", _("Score")
    FAILURE = "failure", _("No score")


def failing(since: object) -> models.Q:
    """Of what is due: ready then, and refused since. It is due again later and later, up to a day."""
    return models.Q(attempts__gt=0, last_error__isnull=False, ready_at__lt=since)


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def locked(self, *, skip_locked: bool = False) -> models.QuerySet[Delivery]:
        """These rows, locked until the transaction ends; `skip_locked`: without those that others hold."""
        return self.select_for_update(
            skip_locked=skip_locked and connections[self.db].features.has_select_for_update_skip_locked
        )

    def overdue(self, since: object) -> DeliveryQuerySet:
        """Those that nobody has tried since then though they were due, or that are failing since."""
        return self.filter(models.Q(due_at__lt=since) | failing(since), state=DeliveryState.DUE)

    def to_same_destination(self, row: Delivery) -> DeliveryQuerySet:
        """All results of the job of `row` for the same destination, `row` among them."""
        return self.filter(job=row.job_id, transport=row.transport, destination_key=row.destination_key)


class Delivery(Table):
    """One result on its way to one destination: made with the job, due when the job ends."""

    job = models.ForeignKey(ExternalGraderDetail, on_delete=models.CASCADE, related_name="deliveries")
    transport = models.CharField(verbose_name=_("transport"), max_length=20, choices=Transport.choices)
    # The whole URL; empty where the result stays in this process.
    destination = models.TextField(verbose_name=_("destination"), blank=True, default="")
    state = models.CharField(
        verbose_name=_("state"), max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING
    )
    # Counted when a worker takes it, and so the fence: who comes back with an older number has lost the row.
    attempts = models.PositiveIntegerField(verbose_name=_("attempts"), default=0)
    # When to send it next; NULL unless it is due.
    due_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(verbose_name=_("last error"), null=True, blank=True)
    # Who submitted the job over HTTP, whose share of the senders counts; NULL where the platform itself did.
    account = models.CharField(max_length=255, null=True, blank=True, editable=False)
    # What the platform wants back unchanged (XQueue's xqueue_header).
    header = models.TextField(null=True, blank=True)
    # SHA-256 of the destination, as hex: a URL can be longer than what an index takes.
    destination_key = models.CharField(max_length=64, blank=True, default="", db_default="", db_index=True)
    # Names one POST of a platform, so that the same POST again makes no second job.
    submit_key = models.CharField(max_length=64, null=True, blank=True, unique=True)
    # Limits and pauses are kept per host; what stays in this process has its transport here.
    host = models.CharField(max_length=255, blank=True, default="", db_default="")
    result = models.CharField(max_length=10, choices=Told.choices, blank=True, default="", db_default="")
    # What the score is worth, as it was when it was recorded.
    points = PointsField(null=True, blank=True)
    # When there was something to tell.
    ready_at = models.DateTimeField(null=True, blank=True)
    # The last attempts, as JSON; `submissions.deliveries.attempts_of` reads it.
    history = models.TextField(null=True, blank=True, editable=False)

    objects = Rows.from_queryset(DeliveryQuerySet)()  # type: ignore[misc]  # on the class, as all managers

    class Meta:
        app_label = "submissions"
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        permissions = [("can_resend", "Can send deliveries again")]
        indexes = [
            models.Index(fields=["state", "due_at", "id"], name="submissions_due_idx"),
            # A worker walks the hosts, and of each what is due: what waits for a dead one is never read.
            models.Index(fields=["state", "host", "due_at", "id"], name="submissions_due_host_idx"),
            # What each host took, and when last: for operators, and to know all hosts.
            models.Index(fields=["host", "delivered_at"], name="submissions_delivered_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.transport} of job {self.job_id}: {self.state}"


class DeliveryHost(Table):
    """A host that does not answer: all workers leave it alone until `held_until`, then one of them tries once."""

    host = models.CharField(max_length=255, unique=True)
    # In a row, since it last answered.
    failures = models.PositiveIntegerField(default=0)
    held_until = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, default="")

    class Meta:
        app_label = "submissions"
        verbose_name = _("delivery host")
        verbose_name_plural = _("delivery hosts")

    def __str__(self) -> str:
        return f"{self.host}: {self.failures} failures"
