from __future__ import annotations

from django.db import models

from submissions.models.table import Table


class DrainedGrader(Table):
    """An account that is given no further job; what it holds it may finish."""

    grader = models.CharField(max_length=150, unique=True)
    since = models.DateTimeField()
    # Who drained it.
    by = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        app_label = "submissions"

    def __str__(self) -> str:
        return f"{self.grader}, since {self.since}"
