"""What a search term can be. Each shape is looked up along an index, exactly; nothing is searched in part."""

from __future__ import annotations

import re
from uuid import UUID

LARGEST_ID = 2**31 - 1
"""Primary keys are 32 bits; PostgreSQL refuses to compare with more."""


class Term:
    """Reads a term as one shape; None where it has another one."""

    @staticmethod
    def read(term: str) -> object | None:
        raise NotImplementedError


class Id(Term):
    @staticmethod
    def read(term: str) -> int | None:
        if not re.fullmatch(r"[0-9]{1,10}", term):
            return None
        return int(term) if int(term) <= LARGEST_ID else None


class Uuid(Term):
    @staticmethod
    def read(term: str) -> UUID | None:
        try:
            return UUID(term) if len(term) in (32, 36) else None
        except ValueError:
            return None


class Text(Term):
    @staticmethod
    def read(term: str) -> str | None:
        # NUL and half surrogates stand in no row, and some databases refuse to compare with them.
        text = term.encode("utf-8", "ignore").decode()
        return term if term == text and "\0" not in term and len(term) <= 255 else None
