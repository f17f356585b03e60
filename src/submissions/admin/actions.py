"""Operators' moves as actions of a list and as buttons of a page. Long work goes on from request to request."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from submissions.admin.base import Base, may
from submissions.admin.work import Doer, Work, skipped
from submissions.operators import LONGEST_REASON, REASON, Move
from submissions.text import row_id, squeezed, storable

COUNTED = ("after", "done", "refused", "skipped")


class Working(Base):
    """For the admin of rows that operators move."""

    change_form_template = "admin/submissions/change_form_verbs.html"
    actions_on_bottom = True
    seconds_per_request = 10.0
    """How long an action works before it shows how far it has come."""
    moves: ClassVar[dict[str, Move]] = {}
    """By the name of the action, which is the method's."""

    def work(self, request: HttpRequest, selection: QuerySet[Model], move: Move) -> HttpResponse | None:
        work = _work_so_far(request)
        if move.takes_reason and "reason" not in request.POST:
            return self._ask(request, move, work, going_on=False)
        reason = squeezed(request.POST.get("reason", ""), LONGEST_REASON)
        if not storable(reason):
            messages.error(request, "This reason cannot be stored.")
            return self._ask(request, move, work, going_on=False)
        if not work.after:
            work.skipped = skipped(selection, move)
        doer = Doer(move, int(request.user.pk or 0), reason)
        if not doer.work_through(selection, work, seconds=self.seconds_per_request):
            return self._ask(request, move, work, going_on=True)
        self._tell(request, move, work)
        return self._back(request)

    def _ask(self, request: HttpRequest, move: Move, work: Work, *, going_on: bool) -> HttpResponse:
        """A page between: for the reason, or because there is more to do than one request may take."""
        context = {
            **self.admin_site.each_context(request),
            "title": move.label if going_on else move.question(_selected(request, move)),
            "opts": self.opts,
            "move": move,
            "work": work,
            "longest": LONGEST_REASON,
            "usual": REASON,
            "going_on": going_on,
            "kept": _kept(request, going_on=going_on),
            "numbers": [(name, getattr(work, name)) for name in COUNTED],
            "back": self.url(self.model, "changelist"),
        }
        return TemplateResponse(request, "admin/submissions/work.html", context)

    def _tell(self, request: HttpRequest, move: Move, work: Work) -> None:
        if work.done:
            messages.success(request, move.told(work.done))
        if work.skipped:
            messages.warning(request, f"{move.counted(work.skipped)} skipped: {move.otherwise}.")
        if work.refused:
            more = work.refused - len(work.errors)
            tail = f" And {more} more." if more else ""
            messages.error(request, f"{move.counted(work.refused)} refused. {' '.join(work.errors)}{tail}")
        if not (work.done or work.skipped or work.refused):
            messages.warning(request, move.nothing)

    def _back(self, request: HttpRequest) -> HttpResponse | None:
        """To the page that the button was on; None lets Django go back to the list."""
        page = row_id(request.POST.get("page", ""))
        return None if page is None else HttpResponseRedirect(self.url(self.model, "change", page))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, object], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With a button for each move that is legal now, for those who may."""
        row = kwargs.get("obj")
        context["moves"] = [
            (action, f"{move.label}{'…' if move.takes_reason else ''}")
            for action, move in self.moves.items()
            if row is not None and move.starts(row) and may(request, move.permission)
        ]
        context["list_url"] = self.url(self.model, "changelist")
        return super().render_change_form(request, context, *args, **kwargs)


def _work_so_far(request: HttpRequest) -> Work:
    """From the page between. What it says only concerns the words at the end, and which rows are not met again."""
    numbers = {name: request.POST.get(name, "") for name in COUNTED}
    read = {name: int(text) for name, text in numbers.items() if text.isascii() and text.isdigit() and len(text) < 11}
    return Work(**read, errors=request.POST.getlist("error")[:20])


def _selected(request: HttpRequest, move: Move) -> str:
    if request.POST.get("select_across") == "1":
        return f"all {move.noun[1]} of this list"
    return move.counted(len(request.POST.getlist("_selected_action")))


def _kept(request: HttpRequest, *, going_on: bool) -> list[tuple[str, str]]:
    """What the page between sends again: which action, and on what."""
    names = ("action", "index", "select_across", "_selected_action", "page", *(("reason",) if going_on else ()))
    return [(name, value) for name in names for value in request.POST.getlist(name)]
