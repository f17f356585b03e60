"""The search field: from a few words to the page of what they mean."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode

from gradequeue.dashboard.access import Viewer
from gradequeue.dashboard.reads.graders import accounts
from gradequeue.dashboard.views.page import page
from submissions.statistics import find as finder
from submissions.statistics import jobs_list
from submissions.statistics.find import Answer
from submissions.statistics.jobs_list import Filters


@page("GET", "HEAD")
def find(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    text = request.GET.get("q", "").strip()
    answer = finder.find(text, viewer.scope)
    if answer.filters is not None:
        return _lead(viewer, answer, text)
    choices = [(one, finder.KINDS[one.kind], jobs_address(one.filters)) for one in answer.choices]
    context = {"viewer": viewer, "text": text, "answer": answer, "choices": choices, "tried": finder.TRIED}
    return render(request, "dashboard/found.html", context, status=404 if text and not choices else 200)


def _lead(viewer: Viewer, answer: Answer, text: str) -> HttpResponse:
    if answer.submission is not None:
        return redirect("dashboard:submission", submission_id=answer.submission)
    if name := answer.only("queue"):
        row = viewer.queues().filter(name=name).first()
        return redirect("dashboard:queue", pk=row.pk) if row else _to_list(answer.filters, text)
    if (name := answer.only("grader")) and viewer.everything:
        field = get_user_model().USERNAME_FIELD
        account = accounts().filter(**{field: name}).first()
        return redirect("dashboard:grader", pk=account.pk) if account else _to_list(answer.filters, text)
    return _to_list(answer.filters, text)


def _to_list(filters: Filters | None, text: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(jobs_address(filters or Filters(), q=text))


def jobs_address(filters: Filters, **more: str) -> str:
    """The list of these jobs."""
    query = urlencode(jobs_list.written(filters) | more)
    return f"{reverse('dashboard:jobs')}?{query}" if query else reverse("dashboard:jobs")
