from __future__ import annotations

import functools
import re
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.files.storage import Storage, default_storage
from django.core.signals import setting_changed
from django.db import models
from django.utils.module_loading import import_string
from django.utils.timezone import now

from submissions.models.external_grader import ExternalGraderDetail


@functools.cache
def _storage() -> Storage:
    media = getattr(settings, "EDX_SUBMISSIONS", {}).get("MEDIA")
    if not media:
        return default_storage
    storage: Storage = import_string(media["BACKEND"])(**media.get("OPTIONS", {}))
    return storage


@setting_changed.connect
def _forget_storage(setting: str, **_: Any) -> None:
    if setting == "EDX_SUBMISSIONS":
        _storage.cache_clear()


def get_storage() -> Storage:
    """Where learners' files are kept: ``EDX_SUBMISSIONS['MEDIA']``, else Django's default storage.

    Migrations name this function, so it must stay importable from `submissions.models`.
    """
    return _storage()


def submission_file_path(instance: SubmissionFile, _: str) -> str:
    """``queue/uuid``. A queue's name may hold what a path may not; a file's own name never gets here."""
    folder = re.sub(r"[^\w.-]", "_", _queue_name(instance))
    return f"{folder if folder.strip('.') else '_'}/{instance.uuid}"


class SubmissionFile(models.Model):
    """One file of a submission, kept under a name of our own; the learner's name for it is only data."""

    uuid = models.UUIDField(default=uuid4, editable=False)
    external_grader = models.ForeignKey(
        ExternalGraderDetail, on_delete=models.SET_NULL, related_name="files", null=True
    )
    file = models.FileField(upload_to=submission_file_path, max_length=512, storage=get_storage)
    original_filename = models.CharField(max_length=255)
    created_at = models.DateTimeField(default=now)

    class Meta:
        app_label = "submissions"
        indexes = [models.Index(fields=["external_grader", "uuid"])]

    def __str__(self) -> str:
        return f"{self.original_filename} ({self.uuid})"

    @property
    def xqueue_url(self) -> str:
        """The retired XQueue's name for the file: ``/queue/uuid``. Not an address; see `submissions.files`."""
        return f"/{_queue_name(self)}/{self.uuid}"


def _queue_name(row: SubmissionFile) -> str:
    # The job may have been deleted under the file.
    return row.external_grader.queue_name if row.external_grader else ""
