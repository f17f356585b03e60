"""Pages as Open edX's conventions name them; however long a list is, a page costs the same.

Rows are counted up to MOST. Beyond, `next` carries the last row of the page, from which the next one goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.http import HttpRequest

from submissions.rest import base, problems
from submissions.rest.problems import Problem, invalid

MOST = 10_000
USUAL, LARGEST = 10, 100

PARAMETERS = ("page", "page_size", "after")


def page_of(
    rows: Any,
    request: HttpRequest,
    show: Callable[[list[Any]], list[dict[str, Any]]],
    *,
    known: Any,
    by: Sequence[str],
    newest: bool,
) -> dict[str, Any]:
    """`rows`: jobs without an order, each with its submission; `known`: all of which `after` may name one; `by`: one or
    two columns that an index has in this order; `newest`: whether it is walked from its end. Raises Problem."""
    size = min(_number(request, "page_size", USUAL), LARGEST)
    number = _number(request, "page", 1)
    count = rows.order_by().values("pk")[: MOST + 1].count()
    pages = max(-(-min(count, MOST) // size), 1)
    ordered = rows.order_by(*(f"-{name}" if newest else name for name in by))
    after = request.GET.get("after")
    if after is not None:
        found = list(_behind(ordered, _place(known, after, by), by, newest=newest)[: size + 1])
    else:
        _require_page(number, size, pages)
        found = list(ordered[(number - 1) * size : number * size + 1])
    here, more = found[:size], len(found) > size
    return {
        "count": min(count, MOST),
        "count_is_exact": count <= MOST,
        "next": _next(request, here, number, size, after=after) if more else None,
        "previous": _address(request, page=number - 1) if number > 1 and after is None else None,
        "num_pages": pages,
        "current_page": number,
        "start": (number - 1) * size,
        "results": show(here),
    }


def _require_page(number: int, size: int, pages: int) -> None:
    if (number - 1) * size >= MOST:
        raise invalid({"page": [f"Pages are numbered up to the {MOST}th entry; follow next beyond."]})
    if number > pages:
        raise Problem(problems.NOT_FOUND, f"There are {pages} pages.")


def _next(request: HttpRequest, here: list[Any], number: int, size: int, *, after: str | None) -> str:
    if after is None and number * size < MOST:
        return _address(request, page=number + 1)
    return _address(request, page=number + 1, after=str(here[-1].submission.uuid))


def _place(known: Any, after: str, by: Sequence[str]) -> tuple[Any, ...]:
    """Where the page before has ended. Its last row may have left the list meanwhile: one that waited is graded."""
    name = base.parse_uuid(after)
    last = None if name is None else known.order_by().filter(submission__uuid=name).values_list(*by).first()
    if last is None:
        raise invalid({"after": ["Must be the uuid of a submission."]})
    return tuple(last)


def _behind(ordered: Any, last: tuple[Any, ...], by: Sequence[str], *, newest: bool) -> Any:
    less = "lt" if newest else "gt"
    if len(by) == 1:
        return ordered.filter(**{f"{by[0]}__{less}": last[0]})
    first, second = by
    further = Q(**{f"{first}__{less}": last[0]})
    return ordered.filter(further | Q(**{first: last[0], f"{second}__{less}": last[1]}))


def _number(request: HttpRequest, name: str, usual: int) -> int:
    text = request.GET.get(name)
    if text is None:
        return usual
    if not (text.isascii() and text.isdigit() and text.strip("0")):
        raise invalid({name: ["Must be a whole number of 1 or more."]})
    # Of thousands of digits Python makes no number; beyond these all are too many alike.
    return int(text.lstrip("0")[:12])


def _address(request: HttpRequest, **changes: object) -> str:
    query = request.GET.dict() | {k: str(v) for k, v in changes.items()}
    return base.absolute(request, f"{request.path}?{urlencode(query)}")
