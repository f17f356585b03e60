"""Numbers, as the pages show them in their language."""

from __future__ import annotations

from django.utils.formats import number_format


def points(value: float | None) -> str:
    """ "0.5", "1"; "-" where there are none."""
    return "-" if value is None else number_format(f"{value:g}", use_l10n=True)
