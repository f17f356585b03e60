"""The OpenAPI document, made of the resources; the one that is served is the file beside this.

``make openapi`` writes it.
"""

from __future__ import annotations

import json
import re
from typing import Any

from django.urls import include, path
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import patched_settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_serializer

from submissions.rest import (
    base,
    claims,
    failures,
    fields,
    files,
    graded,
    heartbeats,
    queues,
    result,
    results,
    schema,
    shapes,
    states,
    submissions,
    tokens,
    urls,
)
from submissions.rest.filters import MINIMAL, SubmissionFilter
from submissions.rest.paging import PARAMETERS
from submissions.rest.shapes import ProblemOut

ROOT = "api/external_grading/v1/"
SETTINGS: dict[str, Any] = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "gradequeue: external grading",
    "VERSION": "1.0",
    "DESCRIPTION": "Claims, heartbeats, results, failures for graders; submissions for platforms; queues.",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    "POSTPROCESSING_HOOKS": [],
    "SCHEMA_PATH_PREFIX": "/" + ROOT.rstrip("/"),
}
ALWAYS = (400, 401, 403, 404, 405, 503)
WITH_BODY = (413, 415)
WITH_FILES = {
    "type": "object",
    "required": ["submission"],
    "properties": {"submission": {"$ref": "#/components/schemas/SubmissionInRequest"}},
    "additionalProperties": {
        "type": "string",
        "format": "binary",
        "description": "A file; its name is the part's file name.",
    },
}
RESULT = {"$ref": "#/components/schemas/Result"}
LABEL = {"type": "string", "maxLength": fields.Labels.LONGEST}
LABELS = {
    "anyOf": [
        {"type": "object", "additionalProperties": LABEL, "maxProperties": fields.Labels.MOST},
        {"type": "array", "items": LABEL, "maxItems": fields.Labels.MOST},
    ]
}
LEAST = ("uuid", "status")
WHOLE_OR_LEAST = {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("Submission", "LeastSubmission")]}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "submissions.rest.base.BearerAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "gq_..."}


def document() -> dict[str, Any]:
    """The whole document, as data."""
    _describe()
    with patched_settings(SETTINGS):
        generator: Any = SchemaGenerator(patterns=[path(ROOT, include(urls))])  # type: ignore[no-untyped-call]
        found: dict[str, Any] = dict(generator.get_schema(request=None, public=True))
    plain = json.dumps(_without_marks(found), default=str)
    # The serializers of what is answered end with Out; in the document they are what they say.
    return _finished(json.loads(re.sub(r"(#/components/schemas/\w+)Out\"", r'\1"', plain)))


def _without_marks(value: Any) -> Any:
    """Without what the generator notes for itself."""
    if isinstance(value, dict):
        return {name: _without_marks(inner) for name, inner in value.items() if name != "x-spec-enum-id"}
    return [_without_marks(inner) for inner in value] if isinstance(value, list) else value


def _finished(found: dict[str, Any]) -> dict[str, Any]:
    of_result = json.loads(json.dumps(result.schema()).replace("#/$defs/", "#/components/schemas/"))
    components = {name.removesuffix("Out"): one for name, one in found["components"]["schemas"].items()}
    components |= of_result.pop("$defs")
    for name in ("$schema", "$id"):
        of_result.pop(name)
    components["Result"] = of_result
    graded = {name: {"type": "number"} for name in ("points_earned", "points_possible")}
    graded["graded_at"] = {"type": "string", "format": "date-time"}
    members = {**of_result["properties"], **graded}
    components["GradedResult"] = {"type": "object", "required": list(graded), "properties": members}
    _tell_of_least(components)
    found["security"] = [{"token": []}]
    found["components"]["schemas"] = dict(sorted(components.items()))
    for operations in found["paths"].values():
        for operation in operations.values():
            operation.pop("security", None)
            _tell_of_problems(operation)
    return found


def _tell_of_least(components: dict[str, Any]) -> None:
    """What `view=minimal` leaves of a submission."""
    whole = components["Submission"]["properties"]
    components["LeastSubmission"] = {
        "type": "object",
        "description": f"With `view={MINIMAL}`.",
        "required": list(LEAST),
        "properties": {name: whole[name] for name in LEAST},
    }
    components["Page"]["properties"]["results"]["items"] = WHOLE_OR_LEAST


def _tell_of_problems(operation: dict[str, Any]) -> None:
    for status, response in operation["responses"].items():
        if int(status) >= 400:
            response["content"] = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
            response["description"] = "A problem."


def _describe() -> None:
    base.Resource.schema = AutoSchema()
    extend_schema_field(LABELS)(fields.Labels)
    for answer in (shapes.PageOut, shapes.QueuesOut):
        extend_schema_serializer(many=False)(answer)  # of a list, the library would make a list of them
    claim_id, uuid = _in_path("claim_id"), _in_path("uuid")
    key = OpenApiParameter("Idempotency-Key", OpenApiTypes.STR, OpenApiParameter.HEADER)
    needed = OpenApiParameter("Idempotency-Key", OpenApiTypes.STR, OpenApiParameter.HEADER, required=True)
    view = OpenApiParameter("view", OpenApiTypes.STR, enum=[MINIMAL])
    _of(
        claims.Claims,
        create=_op("Claim jobs", claims.ClaimsIn, {200: shapes.ClaimsOut}, 422, parameters=[key]),
        retrieve=_op("A claim again", None, {200: shapes.ClaimOut}, 409, parameters=[claim_id]),
        destroy=_op("Give a claim back", None, {204: None}, parameters=[claim_id]),
    )
    _of(
        heartbeats.Heartbeats,
        create=_op("Renew a claim", heartbeats.HeartbeatIn, {200: shapes.HeartbeatOut}, 409, parameters=[claim_id]),
    )
    _of(
        heartbeats.BatchHeartbeats,
        create=_op("Renew several claims", heartbeats.HeartbeatsIn, {200: shapes.HeartbeatsOut}),
    )
    _of(
        results.ResultOfClaim,
        update=_op("Send a result", {"application/json": RESULT}, {200: RESULT}, 409, 422, parameters=[claim_id]),
    )
    _of(results.Results, create=_op("Send several results", results.ResultsIn, {200: shapes.ResultsOut}))
    _of(
        failures.Failure,
        update=_op("Report a failure", failures.FailureIn, {200: shapes.FailureOut}, 409, parameters=[claim_id]),
    )
    _of(
        files.Files,
        retrieve=_op(
            "A file of a claim",
            None,
            {(200, "application/octet-stream"): OpenApiTypes.BINARY},
            409,
            parameters=[claim_id, OpenApiParameter("number", OpenApiTypes.INT, OpenApiParameter.PATH)],
        ),
    )
    _of(
        submissions.Submissions,
        create=_op(
            "Hand in a submission",
            {"application/json": submissions.SubmissionIn, "multipart/form-data": WITH_FILES},
            {201: shapes.SubmissionOut},
            422,
            429,
            parameters=[needed],
        ),
        list=_op("Submissions", None, {200: shapes.PageOut}, parameters=_filters()),
        retrieve=_op("A submission", None, {200: WHOLE_OR_LEAST}, parameters=[uuid, view]),
    )
    _of(
        graded.ResultOfSubmission,
        retrieve=_op("Its result", None, {200: {"$ref": "#/components/schemas/GradedResult"}}, parameters=[uuid, view]),
    )
    _of(graded.Position, retrieve=_op("Its place in the queue", None, {200: shapes.PositionOut}, parameters=[uuid]))
    ended = {201: shapes.SubmissionOut, 200: shapes.SubmissionOut}
    _of(
        submissions.Cancellations,
        create=_op("Cancel it", submissions.ReasonIn, ended, 409, parameters=[uuid]),
    )
    moved = {201: shapes.SubmissionOut}
    _of(
        submissions.Moves,
        retry=_op("Put a failed one back", submissions.NothingIn, moved, 409, parameters=[uuid]),
        release=_op("Take it away from its grader", submissions.NothingIn, moved, 409, parameters=[uuid]),
    )
    name = _in_path("name")
    _of(
        queues.Queues,
        list=_op("Queues", None, {200: shapes.QueuesOut}),
        retrieve=_op("A queue", None, {200: shapes.QueueOut}, parameters=[name]),
        partial_update=_op("Pause or resume a queue", queues.QueueIn, {200: shapes.QueueOut}, 409, parameters=[name]),
        statistics=_op("The numbers of a queue", None, {200: shapes.StatisticsOut}, parameters=[name]),
    )
    _of(tokens.Me, retrieve=_op("The token that asks", None, {200: shapes.TokenOut}))
    texts = {(200, kind): OpenApiTypes.OBJECT for kind in (base.JSON, "application/yaml")}
    _of(schema.Schema, retrieve=_op("This document", None, texts))
    _of(schema.Docs, retrieve=extend_schema(exclude=True), script=extend_schema(exclude=True))


def _of(view: type, **operations: Any) -> None:
    for name, operation in operations.items():
        setattr(view, name, operation(getattr(view, name)))


def _op(summary: str, request: Any, responses: dict[Any, Any], *more: int, parameters: Any = ()) -> Any:
    statuses = {*ALWAYS, *more, *(WITH_BODY if request is not None else ())}
    problems = dict.fromkeys(sorted(statuses), ProblemOut)
    return extend_schema(
        summary=summary,
        description=summary,
        request=request,
        responses={**responses, **problems},
        parameters=list(parameters),
        filters=False,
    )


def _in_path(name: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.STR, OpenApiParameter.PATH)


def _filters() -> list[OpenApiParameter]:
    enums = {"status": list(states.WORDS), "ordering": ["created_at", "-created_at"], "view": [MINIMAL]}
    texts = [
        OpenApiParameter(
            name, OpenApiTypes.DATETIME if name.startswith("created") else OpenApiTypes.STR, enum=enums.get(name)
        )
        for name in SubmissionFilter.base_filters
    ]
    kinds = {"after": OpenApiTypes.UUID}
    return texts + [OpenApiParameter(name, kinds.get(name, OpenApiTypes.INT)) for name in PARAMETERS]


def text() -> str:
    return json.dumps(document(), indent=2, ensure_ascii=True) + "\n"
