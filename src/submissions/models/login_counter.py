from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from submissions.models.table import Table


class LoginCounter(Table):
    """Failed logins of late, counted by account and network (`submissions.accounts.throttle`, ADR 0030)."""

    # A keyed digest: neither the names that strangers try nor addresses are kept.
    key = models.CharField(max_length=64, unique=True)
    failures = models.PositiveIntegerField(verbose_name=_("failures"), default=0)
    blocked_until = models.DateTimeField(null=True, blank=True)
    # A digest of the last wrong password: a watcher that repeats an old one is not guessing.
    last_wrong = models.CharField(max_length=16, default="", blank=True)
    # Whether this account has logged in from this network: its usual address.
    known = models.BooleanField(verbose_name=_("known"), default=False)
    seen_at = models.DateTimeField(db_index=True)

    class Meta:
        app_label = "submissions"
        verbose_name = _("login counter")
        verbose_name_plural = _("login counters")

    def __str__(self) -> str:
        return f"{self.failures} failures until {self.seen_at}"
