"""submissions/{uuid}/result/ and position/: what came of a submission, or when something may."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase

from submissions.accounts import tokens
from submissions.models import Scope, Score
from submissions.rest import base, problems, result, states
from submissions.rest.base import answer, http
from submissions.rest.filters import VIEW
from submissions.rest.problems import Problem
from submissions.rest.submissions import SEEN_BY, OfSubmissions, is_minimal
from submissions.statistics.expectation import expect


class ResultOfSubmission(OfSubmissions):
    scopes = {"retrieve": SEEN_BY}
    parameters = {"retrieve": (VIEW,)}

    def retrieve(self, request: Any, uuid: str) -> HttpResponseBase:
        job = self.job(uuid)
        minimal = is_minimal(http(request))
        score = Score.objects.filter(submission_id=job.submission_id).order_by("-pk").first()
        if states.word_of(job) != states.GRADED or score is None:
            raise Problem(problems.NOT_FOUND, "The submission has no result.")
        told = {
            "points_earned": score.points_earned,
            "points_possible": score.points_possible,
            "graded_at": base.time(job.returned_at or score.created_at),
        }
        if minimal:
            return answer(told)
        kept = result.kept(job.result) or result.of_reply(job.grader_reply)
        share = score.points_earned / score.points_possible if score.points_possible else 0
        shown = result.view(kept, with_hidden=tokens.has_scope(self.token, Scope.OPERATE))
        # A hair beyond the maximum is the maximum, as it was when it was scored.
        share = min(max(shown.get("score", share), 0), 1)
        return answer({**shown, "score": share, **told})


class Position(OfSubmissions):
    scopes = {"retrieve": SEEN_BY}

    def retrieve(self, request: Any, uuid: str) -> HttpResponseBase:
        job = self.job(uuid)
        found = expect(job)
        eta = found.seconds and {"low": found.seconds[0], "high": found.seconds[1]}
        return answer(
            {
                "status": states.word_of(job),
                "ahead": found.ahead,
                "ahead_is_exact": found.is_exact,
                "eta_seconds": eta,
                "note": found.note,
            }
        )
