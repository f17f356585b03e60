"""The ``gradequeue`` command: every Django command, under one name."""

from __future__ import annotations

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def main(argv: list[str] | None = None) -> None:
    """Exit 0 = done, 1 = refused, 2 = wrong usage or wrong settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gradequeue.settings")
    try:
        execute_from_command_line(argv or ["gradequeue", *sys.argv[1:]])
    except ImproperlyConfigured as wrong:
        print(f"gradequeue: {wrong}", file=sys.stderr)
        raise SystemExit(2) from None
