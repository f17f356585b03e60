"""Whether graders can be run in sandboxes here: bubblewrap may be missing, or the machine may allow no namespaces."""

from __future__ import annotations

from functools import cache

from gradequeue_grader.sandbox import Bubblewrap, NoSandbox, find_bubblewrap, probe


@cache
def why_none() -> str:
    """Empty where there are sandboxes."""
    program = find_bubblewrap()
    if program is None:
        return "bubblewrap is not installed"
    try:
        probe(Bubblewrap(program, shows=(), hidden=()), "sh")
    except NoSandbox as error:
        return str(error)
    return ""
