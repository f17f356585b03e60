from __future__ import annotations

import re
from typing import cast
from uuid import uuid4

from django.conf import settings
from django.core.files.storage import Storage, default_storage
from django.core.signals import setting_changed
from django.db import models
from django.dispatch import receiver
from django.utils.functional import LazyObject, empty
from django.utils.module_loading import import_string
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from submissions.models.job import ExternalGraderDetail
from submissions.models.table import Table


class ConfiguredStorage(LazyObject):  # type: ignore[type-arg]
    """The storage that the settings name, made on first use: the table's column holds on to this object for good."""

    def _setup(self) -> None:
        media = getattr(settings, "EDX_SUBMISSIONS", {}).get("MEDIA")
        self._wrapped = import_string(media["BACKEND"])(**media.get("OPTIONS", {})) if media else default_storage


_configured = ConfiguredStorage()


@receiver(setting_changed)
def _forget_storage(setting: str, **_: object) -> None:
    if setting == "EDX_SUBMISSIONS":
        _configured._wrapped = empty


def get_storage() -> Storage:
    """Where learners' files are kept: ``EDX_SUBMISSIONS['MEDIA']``, else Django's default storage.

    Migrations name this function, so it must stay importable from `submissions.models`.
    """
    return cast(Storage, _configured)


def submission_file_path(instance: SubmissionFile, _: str) -> str:
    """``queue/uuid``. A queue's name may hold what a path may not; a file's own name never gets here."""
    folder = re.sub(r"[^\w.-]", "_", _queue_name(instance))
    if len(folder.encode()) > 255:  # more than a file system takes: 128 characters may be 512 bytes
        folder = folder[:60]
    return f"{folder if folder.strip('.') else '_'}/{instance.uuid}"


class SubmissionFile(Table):
    """One file of a submission, kept under a name of our own; the learner's name for it is only data."""

    uuid = models.UUIDField(verbose_name=_("uuid"), default=uuid4, editable=False)
    external_grader = models.ForeignKey(
        ExternalGraderDetail, on_delete=models.SET_NULL, related_name="files", null=True
    )
    file = models.FileField(upload_to=submission_file_path, max_length=512, storage=get_storage)
    original_filename = models.CharField(verbose_name=_("original filename"), max_length=255)
    created_at = models.DateTimeField(default=now)
    # Of the content as it was handed in (bytes; hex). NULL: made by edx-submissions, or before these columns were.
    size = models.BigIntegerField(null=True, editable=False)
    sha256 = models.CharField(max_length=64, null=True, editable=False)

    class Meta:
        app_label = "submissions"
        verbose_name = _("submission file")
        verbose_name_plural = _("submission files")
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
