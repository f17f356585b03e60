"""Copies of submissions in Django's cache. A cache that fails costs time, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db import router, transaction

from submissions.models import Submission

logger = logging.getLogger("submissions.api")


def read(key: str) -> Any:
    """The copy under `key`; None where there is none, or the cache is away."""
    try:
        return cache.get(key)
    except Exception:  # a cache that is down or dislikes the key must not stop a reader
        logger.exception("The cache could not be read")
        return None


def keep(key: str, value: object, **options: int) -> None:
    """`options`: timeout (seconds), where the cache's own is not meant."""
    try:
        cache.set(key, value, **options)
    except Exception:
        logger.exception("The cache could not be written")


def key_of_item(pk: int) -> str:
    """Of a student item's copy."""
    return f"submissions.student_item.{pk}"


def forget(uuids: Iterable[UUID] = (), *, items: Iterable[int] = ()) -> None:
    """At once, for the caller's own eyes; and again after the commit, as others may have read the old rows meanwhile,
    and kept a copy. `items`: of student items."""
    keys = [*map(Submission.get_cache_key, uuids), *map(key_of_item, items)]
    _delete(keys)
    transaction.on_commit(partial(_delete, keys), using=router.db_for_write(Submission), robust=True)


def _delete(keys: list[str]) -> None:
    try:
        cache.delete_many(keys)
    except Exception:
        logger.exception("The cache could not be cleared")
