"""Learners' files, for storages that have no signed addresses of their own."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from submissions import files
from submissions.models import SubmissionFile


@csrf_exempt
@login_not_required  # the signature decides
def download(request: HttpRequest, file_id: int, name: str = "") -> HttpResponseBase:
    """The bytes, to whoever brings our signature: 403 without it, or past its time."""
    if request.method not in ("GET", "HEAD"):
        wrong_method = _refused(405, "A file is fetched with GET")
        wrong_method["Allow"] = "GET, HEAD"
        return wrong_method
    given = request.GET
    if not files.is_signed(file_id, given.get("expires", ""), given.get("signature", "")):
        return _refused(403, "The address of this file is not valid, or no longer")
    row = SubmissionFile.objects.filter(pk=file_id).first()
    try:
        return files.download(row)
    except FileNotFoundError:
        return _refused(404, "The file is gone")


def _refused(status: int, content: str) -> JsonResponse:
    return JsonResponse({"return_code": 1, "content": content}, status=status)
