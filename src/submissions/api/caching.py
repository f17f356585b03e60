"""Copies of submissions in Django's cache. A cache that fails costs time, and nothing else."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from django.core.cache import cache

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


def forget(uuids: list[UUID]) -> None:
    try:
        cache.delete_many([Submission.get_cache_key(uuid) for uuid in uuids])
    except Exception:
        logger.exception("The cache could not be cleared")
