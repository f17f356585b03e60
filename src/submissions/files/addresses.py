"""Where a grader fetches a file: signed addresses that expire."""

from __future__ import annotations

import inspect
import time
from urllib.parse import quote, urlencode

from django.core import signing
from django.core.files.storage import FileSystemStorage, InMemoryStorage, Storage

from submissions.conf import conf
from submissions.models import SubmissionFile

# No S3 takes a signature for longer (seconds).
LONGEST = 7 * 24 * 3600
SALT = "submissions.files"


def address(row: SubmissionFile, mount: str, lease: int) -> str:
    """Where a grader fetches the file: absolute, signed, good for the lease (seconds) and FILE_URL_SECONDS more.

    `mount`: the absolute address under which `submissions.urls` is mounted, with its slash.
    """
    seconds = lease + int(conf.FILE_URL_SECONDS)
    own = _address_of_storage(row.file.storage, str(row.file.name), seconds)
    if own:
        return own
    expires = int(time.time()) + seconds
    query = urlencode({"expires": expires, "signature": signature(row.pk, expires)})
    return f"{mount}files/{row.pk}/{quote(last_part(row.original_filename), safe='')}?{query}"


def _address_of_storage(storage: Storage, name: str, seconds: int) -> str | None:
    """The address that a storage signs itself, good for `seconds` where it lets us say so; None where it has none."""
    if isinstance(storage, FileSystemStorage | InMemoryStorage):
        return None
    # A parameter of django-storages' S3 and Azure, not of Django's own.
    lifetime = {"expire": min(seconds, LONGEST)} if "expire" in inspect.signature(storage.url).parameters else {}
    try:
        found = str(storage.url(name, **lifetime))
    except NotImplementedError:
        return None
    return found if found.startswith(("https://", "http://")) else None


def signature(file_id: int, expires: int) -> str:
    """Of the address of a file that is good until `expires` (Unix seconds)."""
    return signing.Signer(salt=SALT).signature(f"{file_id}:{expires}")


def is_signed(file_id: int, expires: str, signed: str) -> bool:
    """Whether `signed` is our signature for this file until `expires` (Unix seconds), and that time is not over."""
    if not (expires.isascii() and expires.isdigit() and len(expires) < 12):
        return False
    try:
        # Also by a key of SECRET_KEY_FALLBACKS: who holds a job while the key is changed has addresses of the old one.
        signing.Signer(salt=SALT).unsign(f"{file_id}:{int(expires)}:{signed}")
    except signing.BadSignature:
        return False
    return time.time() < int(expires)


def last_part(name: str) -> str:
    """Never a path: neither the address nor what a browser saves may walk up a tree."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2].strip()
    return last if last.strip(".") else "file"
