"""Numbers, as the pages show them in their language."""

from __future__ import annotations

from django.utils.formats import number_format


def points(value: float | None) -> str:
    """ "0.5", "1"; "-" where there are none."""
    if value is None:
        return "-"
    # Not as 1e+06: whole numbers whole, of fractions as much as is not noise.
    digits = f"{value:.4f}".rstrip("0").rstrip(".")
    return number_format(digits, use_l10n=True, force_grouping=True)
