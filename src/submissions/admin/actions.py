"""Operators' moves as actions of a list and as buttons of a page. Long work goes on from request to request."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.contrib import messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext, ngettext

from submissions.activity import Act
from submissions.admin import display
from submissions.admin.base import Base, actor_of, may
from submissions.admin.work import Doer, Work, skipped
from submissions.models import OperatorMove
from submissions.operators import LONGEST_REASON, REASON, Move, words_of
from submissions.text import row_id, squeezed, storable
from submissions.words import number

MOST_MOVES = 100
COUNTED = ("after", "done", "refused", "skipped")


class Working(Base):
    """For the admin of rows that operators move."""

    change_form_template = "admin/submissions/change_form_verbs.html"
    object_history_template = "admin/submissions/object_history.html"
    actions_on_bottom = True
    seconds_per_request = 10.0
    """How long an action works before it shows how far it has come."""
    moves: ClassVar[dict[str, Move]] = {}
    """By the name of the action, which is the method's."""
    on_dashboard: ClassVar[tuple[str, str] | None] = None
    """The page of a row on the service's dashboard, and the attribute that is in its address."""

    def moved(self, row: Any) -> QuerySet[OperatorMove]:
        """What operators did to the row, whatever door they came in by."""
        raise NotImplementedError

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        moves = self.moved(row).order_by("-at", "-pk")[:MOST_MOVES] if row is not None else ()
        shown = (
            (display.moment(one.at), one.actor, one.get_door_display(), words_of(one), one.reason) for one in moves
        )
        heads = (gettext("When"), gettext("Who"), gettext("Door"), gettext("What"), gettext("Reason"))
        table = display.table(gettext("What operators did"), heads, shown)
        return super().history_view(request, object_id, {**(extra_context or {}), "operators_moves": table})

    def work(self, request: HttpRequest, selection: QuerySet[Model], move: Move) -> HttpResponse | None:
        work = _work_so_far(request)
        if move.takes_reason and "reason" not in request.POST:
            return self._ask(request, move, work, going_on=False)
        reason = squeezed(request.POST.get("reason", ""), LONGEST_REASON)
        if not storable(reason):
            messages.error(request, gettext("This reason cannot be stored."))
            return self._ask(request, move, work, going_on=False)
        if not work.after:
            work.skipped = skipped(selection, move)
        doer = Doer(move, Act(actor_of(request), move.name, reason, group=work.group))
        if not doer.work_through(selection, work, seconds=self.seconds_per_request):
            return self._ask(request, move, work, going_on=True)
        self._tell(request, move, work)
        return self._back(request)

    def _ask(self, request: HttpRequest, move: Move, work: Work, *, going_on: bool) -> HttpResponse:
        """A page between: for the reason, or because there is more to do than one request may take."""
        context = {
            **self.admin_site.each_context(request),
            "title": move.label if going_on else _question(request, move),
            "opts": self.opts,
            "move": move,
            "work": work,
            "longest": LONGEST_REASON,
            "usual": REASON,
            "going_on": going_on,
            "so_far": move.so_far(work.done, work.refused),
            "kept": _kept(request, going_on=going_on),
            # As text: a host may have numbers grouped ("12,345"), and read back they would be none.
            "numbers": [(name, str(getattr(work, name))) for name in (*COUNTED, "group")],
            "back": self.url(self.model, "changelist"),
        }
        return TemplateResponse(request, "admin/submissions/work.html", context)

    def _tell(self, request: HttpRequest, move: Move, work: Work) -> None:
        if work.done:
            messages.success(request, move.told(work.done))
        if work.skipped:
            messages.warning(request, move.skipped(work.skipped))
        if work.refused:
            messages.error(request, " ".join([move.refused(work.refused), *work.errors, *_more(work)]))
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
        context["dashboard_url"] = self.dashboard_url(row)
        context["list_url"] = self.url(self.model, "changelist")
        return super().render_change_form(request, context, *args, **kwargs)

    def dashboard_url(self, row: Model | None) -> str:
        """Of the row's page on the dashboard; "" where there is no dashboard."""
        if row is None or not self.on_dashboard:
            return ""
        view, attribute = self.on_dashboard
        try:
            return reverse(view, args=[getattr(row, attribute)])
        except NoReverseMatch:  # a platform that has the app alone
            return ""


def _work_so_far(request: HttpRequest) -> Work:
    """From the page between. What it says only concerns the words at the end, and which rows are not met again."""
    numbers = {name: request.POST.get(name, "") for name in COUNTED}
    read = {name: int(text) for name, text in numbers.items() if text.isascii() and text.isdigit() and len(text) < 11}
    return Work(**read, group=_group(request), errors=request.POST.getlist("error")[:20])


def _group(request: HttpRequest) -> UUID:
    """What the requests of one action have in common in the log of moves."""
    try:
        return UUID(request.POST.get("group", ""))
    except ValueError:
        return uuid4()


def _question(request: HttpRequest, move: Move) -> str:
    if request.POST.get("select_across") == "1":
        return move.ask_all()
    return move.ask(len(request.POST.getlist("_selected_action")))


def _more(work: Work) -> list[str]:
    """The sentence that stands for refusals that are not told one by one."""
    more = work.refused - len(work.errors)
    words = ngettext("And %(count)s more.", "And %(count)s more.", more)
    return [words % {"count": number(more)}] if more else []


def _kept(request: HttpRequest, *, going_on: bool) -> list[tuple[str, str]]:
    """What the page between sends again: which action, and on what."""
    names = ("action", "index", "select_across", "_selected_action", "page", *(("reason",) if going_on else ()))
    return [(name, value) for name in names for value in request.POST.getlist(name)]
