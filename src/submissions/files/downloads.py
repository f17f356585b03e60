"""A stored file as an answer, for whoever may have it: both doors to files decide that themselves."""

from __future__ import annotations

from django.http import FileResponse

from submissions.files.addresses import last_part
from submissions.models import SubmissionFile

# Django's 4 kB would cost a program of a megabyte 256 turns through all layers (bytes).
BLOCK = 256 * 1024


def download(row: SubmissionFile | None) -> FileResponse:
    """Raises FileNotFoundError where there is no such row, or its file is gone."""
    if row is None:
        raise FileNotFoundError
    try:
        content = row.file.storage.open(str(row.file.name), "rb")
    except (IsADirectoryError, NotADirectoryError) as error:
        raise FileNotFoundError from error
    # Never by the learner's idea of its type: HTML must not run where an operator is logged in.
    response = FileResponse(content, as_attachment=True, filename=_name(row), content_type="application/octet-stream")
    response.block_size = BLOCK
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "private, no-store"
    return response


def _name(row: SubmissionFile) -> str:
    """The learner's name for the file, as far as a header may carry it."""
    return "".join(letter for letter in last_part(row.original_filename) if letter.isprintable()) or "file"
