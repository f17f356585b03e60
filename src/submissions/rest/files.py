"""claims/{id}/files/{n}/: the files of a claim, for the token that holds it."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase

from submissions import files
from submissions.errors import LeaseLost
from submissions.models import Scope, Status, SubmissionFile
from submissions.rest import problems
from submissions.rest.base import Resource
from submissions.rest.claims import held
from submissions.rest.problems import Problem


class Files(Resource):
    scopes = {"retrieve": (Scope.CLAIM,)}

    def retrieve(self, request: Any, claim_id: str, number: int) -> HttpResponseBase:
        found = held(self, claim_id)
        found.require_key()
        if found.status == Status.RETIRED:
            raise LeaseLost
        rows = SubmissionFile.objects.filter(external_grader__submission_id=found.submission_id).order_by("pk")
        row = rows[number - 1 : number].first() if 0 < number < 10_000 else None
        try:
            return files.download(row)
        except FileNotFoundError:
            raise Problem(problems.NOT_FOUND, "The claim has no such file, or it is gone.") from None
