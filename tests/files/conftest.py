"""Jobs with files, kept in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from submissions import api
from submissions.models import SubmissionFile
from tests.make import make

Submit = Callable[..., SubmissionFile]
MOUNT = "http://testserver/xqueue/"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The folder that EDX_SUBMISSIONS['MEDIA'] names."""
    media = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path / "media")}}
    with override_settings(EDX_SUBMISSIONS={"MEDIA": media}):
        yield tmp_path / "media"


@pytest.fixture
def submit(db: None) -> Submit:
    """Enqueues a job with one file, or with `files`; its first file's row."""

    def enqueue(
        name: str = "program.py",
        content: Any = b"print(1)\n",
        *,
        queue: str = "q",
        files: Mapping[str, Any] | None = None,
    ) -> SubmissionFile:
        job = make(queue, files=files or {name: content})
        return SubmissionFile.objects.filter(external_grader=job).order_by("pk")[0]

    return enqueue


def address_of(row: SubmissionFile) -> str:
    """What a grader is told of this file."""
    assert row.external_grader is not None
    addresses = api.get_files_for_grader(row.external_grader, MOUNT).values()
    rows = SubmissionFile.objects.filter(external_grader=row.external_grader).order_by("id")
    return dict(zip(rows, addresses, strict=True))[row]
