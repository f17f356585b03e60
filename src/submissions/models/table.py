"""What all tables have in common: their rows are read where they are written."""

from __future__ import annotations

from typing import Any, ClassVar, Self, TypeVar

from django.conf import settings
from django.db import models, router

Row = TypeVar("Row", bound=models.Model)


class Rows(models.Manager[Row]):
    """Reads from the database that takes the writes.

    A platform's router may lead reads to replicas. These are behind: a claim, a key, a score, the reply that is told to
    a platform may not have come there yet. What may be behind is asked for by its name: ``using("read_replica")``.
    """

    chosen: str | None = None
    """A database that somebody has asked for."""

    @property
    def db(self) -> str:
        return self.chosen or router.db_for_write(self.model)

    def db_manager(self, using: str | None = None, hints: dict[str, models.Model] | None = None) -> Any:
        found = super().db_manager(using, hints)
        found.chosen = using or self.chosen
        return found

    def get_queryset(self) -> models.QuerySet[Row]:
        rows = super().get_queryset()
        # Without a router they are not bound to one: a subquery of ours may be part of what a platform asks a replica.
        return rows.using(self.db) if settings.DATABASE_ROUTERS else rows


class Table(models.Model):
    objects: ClassVar[Rows[Self]] = Rows()

    class Meta:
        abstract = True
