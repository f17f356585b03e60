"""A command whose --help is about itself, and whose output is English."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from submissions.words import in_english

DJANGOS = frozenset(
    {
        *("--version", "--verbosity", "--settings", "--pythonpath", "--traceback"),
        *("--no-color", "--force-color"),
    }
)
"""They work with each command; ``gradequeue help`` names them."""


class QuietCommand(BaseCommand):
    suppressed_base_arguments = set(DJANGOS)

    def execute(self, *args: Any, **options: Any) -> str | None:
        with in_english():
            return super().execute(*args, **options)
