"""A page for developers: what one learner has handed in for one item. Nothing mounts it but a host that wants it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext

from submissions.api import SubmissionRequestError, get_submissions

# A host's own page first: edx-submissions brings none.
TEMPLATES = ["submissions.html", "submissions/student_item.html"]


@login_required
@permission_required("submissions.view_submission", raise_exception=True)
def get_submissions_for_student_item(
    request: HttpRequest, course_id: str, student_id: str, item_id: str
) -> HttpResponse:
    """The attempts, newest first; 403 without the permission to view submissions."""
    item = {"course_id": course_id, "student_id": student_id, "item_id": item_id}
    context: dict[str, object] = {**item}
    try:
        context["submissions"] = get_submissions(item)
    except SubmissionRequestError:
        context["error"] = gettext("There is no such student item.")
    return render(request, TEMPLATES, context)
