"""claims/{id}/failure/: a grader says that there is no result, and whose fault that is."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase
from rest_framework import serializers

from submissions import queue
from submissions.models import Scope
from submissions.queue import FailureKind
from submissions.rest import base, bodies, fields
from submissions.rest.base import Resource, answer
from submissions.rest.claims import held
from submissions.rest.result import TEXT_BYTES, cut
from submissions.rest.states import word_of


class FailureIn(fields.Body):
    """Why there is no result."""

    kind = serializers.ChoiceField(choices=[kind.value for kind in FailureKind])
    message = fields.Text()
    retry_after_seconds = fields.Whole(min_value=0, max_value=3600, default=0)


class Failure(Resource):
    scopes = {"update": (Scope.CLAIM,)}

    def update(self, request: Any, claim_id: str) -> HttpResponseBase:
        given = self.read(FailureIn, bodies.MEBI)
        job = queue.report_failure(
            held(self, claim_id).claim_id,
            self.account,
            FailureKind(given["kind"]),
            reason=cut(given["message"], TEXT_BYTES),
            retry_after_seconds=given["retry_after_seconds"],
        )
        return answer({"status": word_of(job), "available_at": base.time(job.available_at)})
