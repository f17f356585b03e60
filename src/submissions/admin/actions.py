"""Verbs as actions of a list and as buttons of a page, with a page between where one request is not enough."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from submissions.admin.base import ReadOnly, may
from submissions.admin.verbs import Doer, Verb, Work, skipped
from submissions.text import row_id, storable

COUNTED = ("after", "done", "refused", "skipped")


class Working(ReadOnly):
    """For the admin of rows that verbs move."""

    change_form_template = "admin/submissions/change_form_verbs.html"
    actions_on_bottom = True
    seconds_per_request = 10.0
    """How long an action works before it shows how far it has come."""
    buttons: ClassVar[tuple[tuple[Verb, str], ...]] = ()

    def work(self, request: HttpRequest, selection: Any, verb: Verb) -> HttpResponse | None:
        work = _work_so_far(request)
        if verb.asks_reason and "reason" not in request.POST:
            return self._ask(request, verb, work, going_on=False)
        reason = request.POST.get("reason", "").strip()[:200]
        if not storable(reason):
            messages.error(request, "This reason cannot be stored.")
            return self._ask(request, verb, work, going_on=False)
        if not work.after:
            work.skipped = skipped(selection, verb)
        doer = Doer(verb, int(request.user.pk or 0), reason)
        if not doer.work_through(selection, work, seconds=self.seconds_per_request):
            return self._ask(request, verb, work, going_on=True)
        self._tell(request, verb, work)
        return self._back(request)

    def _ask(self, request: HttpRequest, verb: Verb, work: Work, *, going_on: bool) -> HttpResponse:
        """A page between: for the reason, or because there is more to do than one request may take."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"{verb.noun[1].capitalize()}: {verb.done}",
            "opts": self.opts,
            "verb": verb,
            "work": work,
            "going_on": going_on,
            "kept": _kept(request, going_on=going_on),
            "numbers": [(name, getattr(work, name)) for name in COUNTED],
            "back": self.url(self.model, "changelist"),
            "selected": _selected(request, verb),
        }
        return TemplateResponse(request, "admin/submissions/work.html", context)

    def _tell(self, request: HttpRequest, verb: Verb, work: Work) -> None:
        if work.done:
            messages.success(request, f"{verb.counted(work.done)} {verb.done}.")
        if work.skipped:
            messages.warning(request, f"{verb.counted(work.skipped)} skipped: not {' or '.join(verb.starts_from)}.")
        if work.refused:
            more = work.refused - len(work.errors)
            tail = f" And {more} more." if more else ""
            messages.error(request, f"{verb.counted(work.refused)} refused. {' '.join(work.errors)}{tail}")
        if not (work.done or work.skipped or work.refused):
            messages.warning(request, "There was nothing to be done.")

    def _back(self, request: HttpRequest) -> HttpResponse | None:
        """To the page that the button was on; None lets Django go back to the list."""
        page = row_id(request.POST.get("page", ""))
        return None if page is None else HttpResponseRedirect(self.url(self.model, "change", page))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """With a button for each verb that is legal now, for those who may."""
        row = kwargs.get("obj")
        context["verbs"] = [
            (verb, label)
            for verb, label in self.buttons
            if row is not None and getattr(row, verb.state) in verb.starts_from and may(request, verb.permission)
        ]
        context["list_url"] = self.url(self.model, "changelist")
        return super().render_change_form(request, context, *args, **kwargs)


def _work_so_far(request: HttpRequest) -> Work:
    """From the page between. What it says only concerns the words at the end, and which rows are not met again."""
    numbers = {name: request.POST.get(name, "") for name in COUNTED}
    read = {name: int(text) for name, text in numbers.items() if text.isascii() and text.isdigit() and len(text) < 11}
    return Work(**read, errors=request.POST.getlist("error")[:20])


def _selected(request: HttpRequest, verb: Verb) -> str:
    if request.POST.get("select_across") == "1":
        return f"All {verb.noun[1]} that the list's filters let through, on all pages"
    return verb.counted(len(request.POST.getlist("_selected_action")))


def _kept(request: HttpRequest, *, going_on: bool) -> list[tuple[str, str]]:
    """What the page between sends again: which action, and on what."""
    names = ("action", "index", "select_across", "_selected_action", "page", *(("reason",) if going_on else ()))
    return [(name, value) for name in names for value in request.POST.getlist(name)]
