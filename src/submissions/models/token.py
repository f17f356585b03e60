from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from submissions.models.table import Table


class Scope(models.TextChoices):
    """What a token may do. No scope contains another."""

    CLAIM = "claim", _("Claim jobs and send results")
    SUBMIT = "submit", _("Hand in submissions and see its account's")
    OBSERVE = "observe", _("See queues and their numbers")
    OPERATE = "operate", _("See all submissions of its queues, and move them")


class Token(Table):
    """A secret of an account for REST: ``gq_<name>_<secret>``. The secret itself is shown once and kept nowhere."""

    public_id = models.CharField(max_length=8, unique=True, editable=False)
    # SHA-256 as hex: 256 random bits need no slow hash.
    secret_hash = models.CharField(max_length=64, editable=False)
    account = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("account"), on_delete=models.CASCADE, related_name="+"
    )
    name = models.CharField(
        verbose_name=_("name"), max_length=100, blank=True, default="", help_text=_("What it is for.")
    )
    # Words with blanks between them.
    scopes = models.CharField(verbose_name=_("scopes"), max_length=60)
    # One per line; `*` stands for any characters.
    queue_patterns = models.TextField(
        verbose_name=_("queue patterns"), help_text=_("Queues, one per line; * stands for any characters.")
    )
    created_at = models.DateTimeField(editable=False)
    created_by = models.CharField(max_length=150, blank=True, default="", editable=False)
    expires_at = models.DateTimeField(verbose_name=_("expires at"), null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        app_label = "submissions"
        verbose_name = _("token")
        verbose_name_plural = _("tokens")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"gq_{self.public_id}"

    @property
    def scope_list(self) -> list[str]:
        return self.scopes.split()

    @property
    def patterns(self) -> list[str]:
        return self.queue_patterns.split("\n")

    def is_live(self, now: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)
