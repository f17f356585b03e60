"""The files of a job, as a grader fetches them."""

from __future__ import annotations

import json

from django.urls import NoReverseMatch, reverse

from submissions import files as stored_files
from submissions.conf import conf
from submissions.models import ExternalGraderDetail, SubmissionFile
from submissions.queue import ClaimedJob, settings_of


def get_files_for_grader(
    external_grader: ExternalGraderDetail | ClaimedJob, mount: str | None = None
) -> dict[str, str]:
    """File names and the addresses that a grader fetches them from, without a session, until they expire.

    The names are the learner's, changed only where one could lead out of the grader's folder (`name_for_graders`).

    `mount` is the absolute address under which `submissions.urls` is mounted; without it ``SUBMISSIONS_BASE_URL``.
    Raises FileProcessingError where a file is gone or is no longer what was handed in.
    """
    if isinstance(external_grader, ClaimedJob) and not external_grader.has_files:
        return _named(_links(external_grader.file_links))
    rows = list(SubmissionFile.objects.filter(external_grader_id=external_grader.pk).order_by("id"))
    links = _links(external_grader.file_links)
    if not rows:
        return _named(links)
    stored_files.require_intact(rows)
    lease = settings_of(external_grader.queue_name).lease
    mount = mount or files_mount()
    return _named(links | {row.original_filename: stored_files.address(row, mount, lease) for row in rows})


def _named(files: dict[str, str]) -> dict[str, str]:
    return dict(zip(stored_files.name_for_graders(files), files.values(), strict=True))


def _links(kept: str | None) -> dict[str, str]:
    """The files that are kept elsewhere, as they were checked when the job was made."""
    return dict(json.loads(kept)) if kept else {}


def files_mount() -> str:
    """Where `submissions.urls` is mounted, with its slash: under ``SUBMISSIONS_BASE_URL``, else a path alone."""
    return str(conf.BASE_URL).rstrip("/") + mount_path()


def mount_path() -> str:
    """Below which path of the host `submissions.urls` is mounted, with its slashes."""
    for name in ("submissions:xqueue-login", "xqueue-login"):
        try:
            return reverse(name).removesuffix("login/")
        except NoReverseMatch:
            continue
    return "/xqueue/"
