from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from submissions.models.queue import GraderQueue
from submissions.models.table import Table


class Channel(models.TextChoices):
    """How a person is told."""

    MAIL = "mail", _("E-mail")
    WEBHOOK = "webhook", _("Webhook")


class Kind(models.TextChoices):
    """Of what."""

    RED = "red", _("A queue is red")
    GIVEN_UP = "given_up", _("Deliveries were given up")
    LATE = "late", _("Results come after their lease")


class Subscription(Table):
    """What one person is told of, and how."""

    account = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    # None: every queue that the account sees.
    queue = models.ForeignKey(GraderQueue, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    # Of a webhook; mail goes to the account's own address.
    address = models.CharField(max_length=1000, blank=True, default="")
    on_red = models.BooleanField(default=True)
    on_given_up = models.BooleanField(default=True)
    on_late = models.BooleanField(default=True)
    # In the zone's own time; until may be before from: over midnight.
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    zone = models.CharField(max_length=60, default="UTC")
    # Why it could not be told last; empty where it could.
    last_error = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        app_label = "submissions"

    def __str__(self) -> str:
        return f"{self.account}: {self.channel}"


class Notice(Table):
    """Something that is wrong, and whether a subscription was told. The row goes when it is told that all is well."""

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="notices")
    queue_name = models.CharField(max_length=128)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    sentence = models.CharField(max_length=500)
    since = models.DateTimeField()
    told_at = models.DateTimeField(null=True)
    # Since when it is well again.
    well_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "submissions"
        constraints = [
            models.UniqueConstraint(fields=["subscription", "queue_name", "kind"], name="submissions_one_notice")
        ]

    def __str__(self) -> str:
        return f"{self.queue_name}: {self.kind}"


class NoticeTurn(Table):
    """Whose turn it is to tell: one row. Until then the process that took it is the only one that does."""

    until = models.DateTimeField()

    class Meta:
        app_label = "submissions"

    def __str__(self) -> str:
        return f"Until {self.until}"
