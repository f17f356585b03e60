"""Which addresses are the dialect's, and what clients make of them."""

from __future__ import annotations

from wsgiref.types import WSGIEnvironment

from submissions.text import without_doubled_slashes

VERBS = {"login", "logout", "status", "get_queuelen", "get_submission", "put_result", "submit"}
# Pages for people, and probes: names of queues and accounts may stand in their addresses.
OTHERS = {"admin", "dashboard", "static", "autoscaling", "metrics", "livez", "readyz"}


def straighten(environ: WSGIEnvironment) -> None:
    """A run of slashes counts as one, where the dialect's addresses are meant: some clients glue them together so."""
    path = environ.get("PATH_INFO", "")
    if "//" in path and is_meant_for_graders(path):
        environ["PATH_INFO"] = without_doubled_slashes(path)


def is_meant_for_programs(path: str) -> bool:
    """Whether a program reads the answer, by either dialect."""
    return path.startswith("/api/") or is_meant_for_graders(path)


def is_meant_for_graders(path: str) -> bool:
    """Whether a program that speaks the dialect may have asked this: it reads nothing but the envelope.

    Also where its base address is wrong: without ``/xqueue``, or with something before it.
    """
    parts = [part for part in path.lower().split("/") if part]
    if not parts or parts[0] in OTHERS:
        return False
    return parts[0] in VERBS or any(part.startswith("xqueue") for part in parts)
