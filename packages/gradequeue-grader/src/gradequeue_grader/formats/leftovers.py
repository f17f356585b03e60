"""What a conversion leaves over, so that it can come back.

A format has no place for some members of a result, and a result has none for some of a format. What is left over
travels beside: as `gradequeue` where the format lets others add something, and in the result's `extra`, under the
format's name. It is kept in the shape of what it was left over from: an object has the members that are missing, a list
of objects has an object of positions.
"""

from __future__ import annotations

from typing import Any

# They say the same thing in two ways: whoever brings one back brings both.
EARNED = ("score", "points_earned")


def missing(wanted: Any, got: Any) -> dict[str, Any]:
    """What of the object `wanted` is not in `got`."""
    left = {}
    for name, value in wanted.items():
        if name not in got:
            left[name] = value
        elif not same(value, got[name]):
            left[name] = _inner(value, got[name])
    return left


def _inner(wanted: Any, got: Any) -> Any:
    if isinstance(wanted, dict) and isinstance(got, dict):
        return missing(wanted, got)
    if _objects(wanted) and _objects(got) and len(wanted) == len(got):
        parts = ((str(place), missing(*pair)) for place, pair in enumerate(zip(wanted, got, strict=True)))
        return {place: part for place, part in parts if part}
    return wanted


def restored(got: Any, left: Any) -> Any:
    """`got` with what was left over. Positions that it does not have are passed over."""
    if isinstance(got, dict) and isinstance(left, dict):
        return got | {name: restored(got[name], value) if name in got else value for name, value in left.items()}
    if _objects(got) and isinstance(left, dict):
        return [restored(one, left.get(str(place), {})) for place, one in enumerate(got)]
    return left


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1 and 1.0 are, 1 and true are not."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def of_result(wanted: Any, got: Any) -> dict[str, Any]:
    """`missing` for results."""
    left = missing(wanted, got)
    earned = [{name: one[name] for name in EARNED if name in one} for one in (wanted, got)]
    if not same(*earned):
        left |= earned[0]
        # Where it said neither, nor does what comes back.
        left["earned"] = sorted(earned[0])
    return left


def into_result(got: Any, left: dict[str, Any]) -> Any:
    """`restored` for results."""
    left = dict(left)
    if "earned" in left:
        says = left.pop("earned")
        got = {name: value for name, value in got.items() if name not in EARNED or name in says}
    return restored(got, left)
