"""Numbers and times in words, the same on every page."""

from __future__ import annotations

from datetime import timedelta

STEPS = (("d", 86400), ("h", 3600), ("min", 60))


def counted(number: int, one: str, many: str) -> str:
    """``counted(1, "job waits", "jobs wait")``: "1 job waits"."""
    return f"{number:,} {one if number == 1 else many}"


def duration(seconds: float | timedelta | None) -> str:
    """ "42 s", "9 min", "2 h 36 min", "3 d 4 h"; "-" where there is none."""
    if seconds is None:
        return "-"
    total = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
    total = max(total, 0)
    if total < 60:
        return f"{total:.1f} s" if 0 < total < 10 else f"{total:.0f} s"
    for number, (unit, size) in enumerate(STEPS):
        if total >= size:
            rest = int(total % size)
            smaller = STEPS[number + 1 : number + 2]
            below = rest // smaller[0][1] if smaller else 0
            return f"{int(total // size)} {unit}" + (f" {below} {smaller[0][0]}" if below else "")
    raise AssertionError("unreachable")


def share(part: float, whole: float) -> str:
    """ "12 %"; "-" of nothing."""
    return f"{100 * part / whole:.0f} %" if whole else "-"
