"""The addresses of REST v1. Each ends with a slash; everything else is a problem, and never a redirect."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from submissions.rest import base
from submissions.rest.claims import Claims
from submissions.rest.failures import Failure
from submissions.rest.files import Files
from submissions.rest.graded import Position, ResultOfSubmission
from submissions.rest.heartbeats import BatchHeartbeats, Heartbeats
from submissions.rest.queues import Queues
from submissions.rest.results import ResultOfClaim, Results
from submissions.rest.schema import Docs, Schema
from submissions.rest.submissions import Cancellations, Moves, Submissions
from submissions.rest.tokens import Me


@csrf_exempt
@login_not_required
def nothing(request: HttpRequest, *_: object, **__: object) -> HttpResponseBase:
    return base.with_request_id(base.refusal(request, Http404()))


urlpatterns = [
    path("claims/", Claims.as_view({"post": "create"}), name="rest-claims"),
    path("claims/<str:claim_id>/", Claims.as_view({"get": "retrieve", "delete": "destroy"}), name="rest-claim"),
    path("claims/<str:claim_id>/heartbeats/", Heartbeats.as_view({"post": "create"}), name="rest-heartbeats"),
    path("claims/<str:claim_id>/result/", ResultOfClaim.as_view({"put": "update"}), name="rest-result"),
    path("claims/<str:claim_id>/failure/", Failure.as_view({"put": "update"}), name="rest-failure"),
    path("claims/<str:claim_id>/files/<int:number>/", Files.as_view({"get": "retrieve"}), name="rest-claim-file"),
    path("heartbeats/", BatchHeartbeats.as_view({"post": "create"}), name="rest-batch-heartbeats"),
    path("results/", Results.as_view({"post": "create"}), name="rest-results"),
    path("submissions/", Submissions.as_view({"get": "list", "post": "create"}), name="rest-submissions"),
    path("submissions/<str:uuid>/", Submissions.as_view({"get": "retrieve"}), name="rest-submission"),
    path(
        "submissions/<str:uuid>/result/", ResultOfSubmission.as_view({"get": "retrieve"}), name="rest-submission-result"
    ),
    path("submissions/<str:uuid>/position/", Position.as_view({"get": "retrieve"}), name="rest-position"),
    path("submissions/<str:uuid>/cancellations/", Cancellations.as_view({"post": "create"}), name="rest-cancellations"),
    path("submissions/<str:uuid>/retries/", Moves.as_view({"post": "retry"}), name="rest-retries"),
    path("submissions/<str:uuid>/lease_releases/", Moves.as_view({"post": "release"}), name="rest-lease-releases"),
    path("queues/", Queues.as_view({"get": "list"}), name="rest-queues"),
    # A queue's name may hold whatever is printable, slashes too.
    path("queues/<path:name>/statistics/", Queues.as_view({"get": "statistics"}), name="rest-statistics"),
    path("queues/<path:name>/", Queues.as_view({"get": "retrieve", "patch": "partial_update"}), name="rest-queue"),
    path("tokens/me/", Me.as_view({"get": "retrieve"}), name="rest-me"),
    path("schema/", Schema.as_view({"get": "retrieve"}), name="rest-schema"),
    path("docs/", Docs.as_view({"get": "retrieve"}), name="rest-docs"),
    path("docs/script.js/", Docs.as_view({"get": "script"}), name="rest-docs-script"),
    # With or without anything behind it: an address without its slash must not be redirected.
    re_path(r"^.*$", nothing),
]
