"""An operator's move of many jobs of the list, or of all that is due to a host: it goes on from request to request.

Each request works for some seconds and answers with how far it has come; that page sends itself again, or has a button
for it where there are no scripts. Where it stands is in the page. Closing it stops the work; doing it again goes on,
because what was moved is no longer in the state from which the move starts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext

from gradequeue.dashboard import sentences
from gradequeue.dashboard.access import Viewer
from gradequeue.dashboard.views.finding import jobs_address
from gradequeue.dashboard.views.jobs import MOVES, STARTS_FROM, chips, starts_from
from gradequeue.dashboard.views.page import page
from submissions import operators, words
from submissions.activity import Act
from submissions.admin.work import BATCH, Doer, Work
from submissions.models import Delivery, DeliveryState, ExternalGraderDetail
from submissions.operators import RETIRE, SEND_AGAIN, Move
from submissions.statistics import jobs_list
from submissions.statistics.jobs_list import BadFilter, Filters
from submissions.text import row_id, squeezed, storable

# How long one request works (seconds).
PATIENCE = 5.0
DELIVERIES = "deliveries"
MOST_SELECTED = 1000
MOST_TOTAL = 1_000_000


@dataclass
class Order:
    """What was ordered, and how far it has come; it travels with the page."""

    move: Move
    filters: Filters
    selected: list[int]
    """Submissions; none: all jobs of the list, or, for a move of a host, all that is due to `filters.host`."""
    reason: str = ""
    place: int = 0
    """In which of the move's states."""
    after: str = ""
    total: str = ""
    done: int = 0
    refused: int = 0
    skipped: int = 0
    """Of the selected jobs those from whose state the move does not start."""
    origin: str = ""
    """The page that it began on: the number of a queue, or DELIVERIES; "" is the list."""
    going_on: bool = False
    group: UUID = field(default_factory=uuid4)
    """All its requests are one act of the operator's."""

    @property
    def is_of_host(self) -> bool:
        return self.move.name in operators.OF_HOSTS

    @property
    def address(self) -> str:
        """Where the page sends itself to go on."""
        if self.is_of_host:
            return reverse("dashboard:move-host", args=[self.move.name])
        return reverse("dashboard:move-many")

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """What the page sends again."""
        names = ("place", "after", "total", "done", "refused", "skipped", "origin")
        numbers = [(name, str(getattr(self, name))) for name in names]
        jobs = [("job", str(number)) for number in self.selected]
        which = "selected" if self.selected else "all"
        known = [("move", self.move.name), ("which", which), ("group", str(self.group))]
        return [*known, *jobs, *numbers, *jobs_list.written(self.filters).items()]

    @property
    def whole(self) -> int:
        """How many there are, at least; 0 where nobody has counted."""
        return row_id(self.total.removesuffix("+")) or 0

    @property
    def shown_total(self) -> str:
        """ "1,200", "10,000+", or "" where nobody has counted."""
        return words.number(self.whole) + "+" * self.total.endswith("+") if self.total else ""

    @property
    def share(self) -> int | None:
        """Percent of it that is done; None where nobody knows how many there are."""
        whole = self.whole if self.total.isdigit() else 0
        return min(100 * (self.done + self.refused) // whole, 100) if whole else None


@page("POST")
def move_many(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    move = next((one for one in MOVES if one.name == request.POST.get("move")), None)
    if move is None:
        raise Http404
    viewer.require(move)
    try:
        order = _order(request, move, jobs_list.read(request.POST))
        if not order.selected and request.POST.get("which") != "all":
            messages.warning(request, gettext("Nothing was selected."))
            return _back(order)
        if _must_ask(request, order):
            order.total = _count(viewer, order)
            return render(request, "dashboard/work.html", _context(viewer, order))
        return go_on(request, viewer, order)
    except BadFilter as refused:
        messages.error(request, str(refused))
        return HttpResponseRedirect(jobs_address(Filters()))


def move_all(request: HttpRequest, viewer: Viewer, move: Move, filters: Filters, origin: str) -> HttpResponse:
    """Begin with all jobs of a list whose number another page has shown, which is where it ends, too."""
    order = Order(move, filters, [], origin=origin)
    order.total = str(_count(viewer, order))
    return go_on(request, viewer, order)


def move_host(request: HttpRequest, viewer: Viewer, move: Move, host: str) -> HttpResponse:
    """Begin, or go on, with all that is due to a host."""
    order = replace(_order(request, move, Filters(host=host)), selected=[], origin=DELIVERIES)
    order.total = order.total or _count(viewer, order)
    return go_on(request, viewer, order)


def go_on(request: HttpRequest, viewer: Viewer, order: Order) -> HttpResponse:
    """Work for some seconds; then the page that goes on by itself, or, where all is done, back with what was done."""
    work = Work(done=order.done, refused=order.refused, skipped=order.skipped)
    finished = _work(viewer, order, work)
    order.done, order.refused, order.skipped, order.going_on = work.done, work.refused, work.skipped, not finished
    if not finished:
        return render(request, "dashboard/work.html", _context(viewer, order))
    tell(request, order.move, work, host=order.filters.host if order.is_of_host else None)
    return _back(order)


def _order(request: HttpRequest, move: Move, filters: Filters) -> Order:
    given = request.POST
    chosen = [number for text in given.getlist("job")[:MOST_SELECTED] if (number := row_id(text)) is not None]
    reason = squeezed(given.get("reason", ""), operators.LONGEST_REASON)
    return Order(
        move=move,
        filters=filters,
        selected=chosen if given.get("which") != "all" else [],
        reason=reason if storable(reason) else "",
        place=row_id(given.get("place", "")) or 0,
        after=given.get("after", ""),
        total=given.get("total", "")[:20],
        done=row_id(given.get("done", "")) or 0,
        refused=row_id(given.get("refused", "")) or 0,
        skipped=row_id(given.get("skipped", "")) or 0,
        origin=given.get("origin", ""),
        group=_group(given.get("group", "")),
    )


def _group(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return uuid4()


def _must_ask(request: HttpRequest, order: Order) -> bool:
    """Before what cannot be undone, and before all jobs of a list."""
    return "sure" not in request.POST and (order.move is RETIRE or not order.selected)


def _count(viewer: Viewer, order: Order) -> str:
    """As it travels with the page: "1200", or "10000+" where there may be more."""
    if order.selected:
        return str(len(order.selected))
    if order.is_of_host:
        number = operators.due_to_host(order.move.name, order.filters.host)[: MOST_TOTAL + 1].count()
        return f"{min(number, MOST_TOTAL)}{'+' * (number > MOST_TOTAL)}"
    counts = [jobs_list.count(filters, viewer.scope, most=MOST_TOTAL) for filters in _lists(order)]
    return f"{sum(one.number for one in counts)}{'' if all(one.is_exact for one in counts) else '+'}"


def _lists(order: Order) -> list[Filters]:
    """The jobs of the list from whose state the move starts."""
    if not starts_from(order.move, order.filters):
        return []
    if order.move is SEND_AGAIN:
        return [replace(order.filters, delivery=order.filters.delivery or jobs_list.GIVEN_UP)]
    asked = order.filters.state
    return [replace(order.filters, state=state) for state in STARTS_FROM[order.move.name] if asked in ("", state)]


def _work(viewer: Viewer, order: Order, work: Work) -> bool:
    """Whether all is done."""
    until = time.monotonic() + PATIENCE
    moves = _moves_of_host(viewer, order, work) if order.is_of_host else _moves_of_list(viewer, order, work)
    return all(time.monotonic() <= until for _batch in moves)


def _moves_of_list(viewer: Viewer, order: Order, work: Work) -> Iterator[None]:
    """Batch by batch; between two of them the work may stop."""
    doer = Doer(order.move, Act(viewer.actor, order.move.name, order.reason, group=order.group))
    for found in _batches(viewer, order):
        if batch := _movable(order, found):
            doer.do(batch, work)
        if order.selected and order.move is not SEND_AGAIN:  # a job may have several deliveries, or none
            work.skipped += len(found) - len(batch)
        yield


def _moves_of_host(viewer: Viewer, order: Order, work: Work) -> Iterator[None]:
    """The same. It needs no key to go on from: the move does not start from what was moved.

    It ends where as many were moved as there were: what a host refuses meanwhile is due later again.
    """
    host = order.filters.host
    act = Act(viewer.actor, order.move.name, order.reason, host, group=order.group)
    while moved := operators.move_host(order.move.name, host, act, first=not work.done):
        work.done += moved
        if order.total.isdigit() and work.done >= order.whole:
            return
        yield


def _batches(viewer: Viewer, order: Order) -> Iterator[list[int]]:
    """The primary keys of jobs, batch by batch; `order` knows behind which one it stands."""
    if order.selected:
        rest = order.selected[order.place :]
        for start in range(0, len(rest), BATCH):
            part = rest[start : start + BATCH]
            order.place += len(part)
            yield list(viewer.jobs().filter(submission_id__in=part).values_list("pk", flat=True))
        return
    lists = _lists(order)
    while order.place < len(lists):
        after = jobs_list.read_key(order.after)
        for step in jobs_list.steps(lists[order.place], viewer.scope, after=after, size=BATCH):
            order.after = jobs_list.write_key(step.until)
            yield [one.pk for one in step.found]
        order.place, order.after = order.place + 1, ""


def _movable(order: Order, jobs: list[int]) -> list[tuple[int, int]]:
    """Of each its primary key and what the move knows it by."""
    if order.move is SEND_AGAIN:
        overdue = order.filters.delivery == jobs_list.OVERDUE
        state = DeliveryState.DUE if overdue else DeliveryState.GIVEN_UP
        rows = Delivery.objects.filter(job_id__in=jobs, state=state).order_by("pk")
        if order.filters.host:
            rows = rows.filter(host=order.filters.host)
        return [(pk, pk) for pk in rows.values_list("pk", flat=True)]
    movable = ExternalGraderDetail.objects.filter(pk__in=jobs, status__in=order.move.starts_from).order_by("pk")
    return list(movable.values_list("pk", "submission_id"))


def _context(viewer: Viewer, order: Order) -> dict[str, object]:
    return {
        "viewer": viewer,
        "order": order,
        "question": "" if order.going_on else _question(order),
        "so_far": sentences.so_far(order.move, order.done, order.shown_total, order.refused),
        "chips": chips(order.filters),
        "back": _origin(order),
        "from_queue": viewer.queues().filter(pk=row_id(order.origin) or 0).values_list("name", flat=True).first(),
        "longest": operators.LONGEST_REASON,
        "usual": operators.REASON,
    }


def _question(order: Order) -> str:
    if order.selected:
        return order.move.ask(len(order.selected))
    return sentences.question_of_list(order.move, order.whole, order.shown_total)


def tell(request: HttpRequest, move: Move, work: Work, *, host: str | None = None) -> None:
    """What became of it, above the next page; with the host, where it was done to one."""
    if work.done:
        told = move.told(work.done) if host is None else sentences.to_host(move, host, work.done)
        messages.success(request, told)
    if work.done and work.skipped:
        messages.warning(request, move.skipped(work.skipped))
    if work.refused:
        messages.warning(request, " ".join([sentences.skipped(move, work.refused), *work.errors[:3]]))
    if not (work.done or work.refused):
        messages.warning(request, move.nothing)


def _back(order: Order) -> HttpResponse:
    return HttpResponseRedirect(_origin(order))


def _origin(order: Order) -> str:
    if order.origin == DELIVERIES:
        return reverse("dashboard:deliveries")
    if (pk := row_id(order.origin)) is not None:
        return reverse("dashboard:queue", args=[pk])
    return jobs_address(order.filters)
