"""submissions/: a platform hands in, looks, takes back; an operator sees all of it and moves it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase

from submissions import api, operators, queue
from submissions import files as stored_files
from submissions.accounts import tokens
from submissions.accounts.permissions import may_submit_to
from submissions.activity import Actor
from submissions.conf import conf
from submissions.errors import FileProcessingError, InvalidFileTypeError, SubmissionRequestError
from submissions.models import DatabaseNow, ExternalGraderDetail, GraderQueue, Scope, SubmitRequest
from submissions.models import Submission as Kept
from submissions.queue.transactions import in_transaction
from submissions.rest import base, bodies, fields, idempotency, multipart, paging, problems, states
from submissions.rest.base import Resource, answer, http
from submissions.rest.filters import MINIMAL, PARAMETERS_OF_LIST, VIEW, chosen
from submissions.rest.problems import Problem, invalid
from submissions.rest.result import digest_of
from submissions.text import storable

Job = ExternalGraderDetail

# The Python API's names of what has another one here.
NAMES = {"student_id": "learner_id", "queue_key": "reference"}


class SubmissionIn(fields.Body):
    """What a platform hands in."""

    queue_name = fields.QueueName()
    course_id = fields.Text(max_length=255)
    item_id = fields.Text(max_length=255)
    item_type = fields.Text(max_length=100, default="problem")
    learner_id = fields.Text(max_length=255)
    answer = fields.Json()
    grader_payload = fields.Json(required=False)
    points_possible = fields.Number(default=1.0)
    reference = fields.Text(max_length=128, required=False)


class ReasonIn(fields.Body):
    reason = fields.Text(max_length=operators.LONGEST_REASON, required=False, allow_blank=True)


class NothingIn(fields.Body):
    """An empty object, or nothing at all."""


SEEN_BY = (Scope.SUBMIT, Scope.OPERATE)


class OfSubmissions(Resource):
    """What every address below a submission needs."""

    def jobs(self) -> QuerySet[Job]:
        """Those that the token may see: an account's own, or all of an operator's queues."""
        rows = Job.objects.select_related("submission__student_item", "claim_note").annotate(now=DatabaseNow())  # type: ignore[no-redef]
        if not tokens.has_scope(self.token, Scope.OPERATE):
            rows = rows.filter(submit_request__account=self.account)
        if "*" in self.token.patterns:
            return rows
        names = GraderQueue.objects.order_by().values_list("name", flat=True)
        return rows.filter(queue_name__in=[name for name in names if tokens.covers(self.token, name)])

    def job(self, uuid: str) -> Job:
        """Raises Problem."""
        name = base.parse_uuid(uuid)
        return self._one(None if name is None else self.jobs().filter(submission__uuid=name))

    def known(self, pk: int) -> Job:
        """The same, of what is there, but for the moment in which its queue was deleted. Raises Problem."""
        return self._one(self.jobs().filter(pk=pk))

    def _one(self, rows: QuerySet[Job] | None) -> Job:
        found = None if rows is None else rows.order_by().first()
        if found is None:
            raise Problem(problems.NOT_FOUND, "There is no such submission.")
        return found


class Submissions(OfSubmissions):
    scopes = {"create": (Scope.SUBMIT,), "list": SEEN_BY, "retrieve": SEEN_BY}
    parameters = {"list": PARAMETERS_OF_LIST, "retrieve": (VIEW,)}

    def create(self, request: Any) -> HttpResponseBase:
        key = idempotency.needed_key(http(request), self.account, "submissions")
        value, files = _read(http(request))
        given = fields.checked(SubmissionIn, value)
        self.require_queue(given["queue_name"])
        _require_queue(self, given["queue_name"])
        prepared = _prepared(files)
        digest = digest_of([value, {name: stored_files.digest(file) for name, file in prepared.items()}])
        pk = _find(key, digest)
        if pk is None:
            pk = self._make_once(given, prepared, key, digest)
        told_now = told(self.known(pk), http(request))
        return answer(told_now, 201, {"Location": told_now["links"]["self"]})

    def _make_once(self, given: dict[str, Any], files: Mapping[str, Any], key: str, digest: str) -> int:
        try:
            return _make(given, files, account=self.account, key=key, digest=digest)
        except IntegrityError:
            # The same request at the same time: the other one was faster, and it has committed.
            known = _find(key, digest)
            if known is None:
                raise
            return known
        except SubmissionRequestError as error:
            raise _invalid(error) from None
        except (InvalidFileTypeError, FileProcessingError) as error:
            raise invalid({"files": [str(error)]}) from None

    def list(self, request: Any) -> HttpResponseBase:
        query = http(request).GET
        known = self.jobs()
        rows = chosen(known, query)
        minimal = query.get(VIEW) == MINIMAL

        def show(jobs: Sequence[Job]) -> list[dict[str, Any]]:
            return [least(job) if minimal else told(job, http(request)) for job in jobs]

        # An account's own are found by their requests, whose index has them by number: in the order of their arrival.
        by = ("created_at", "pk") if tokens.has_scope(self.token, Scope.OPERATE) else ("pk",)
        newest = query.get("ordering") != "created_at"
        return answer(paging.page_of(rows, http(request), show, known=known, by=by, newest=newest))

    def retrieve(self, request: Any, uuid: str) -> HttpResponseBase:
        job = self.job(uuid)
        return answer(least(job) if is_minimal(http(request)) else told(job, http(request)))


class Cancellations(OfSubmissions):
    scopes = {"create": SEEN_BY}

    def create(self, request: Any, uuid: str) -> HttpResponseBase:
        reason = self.read(ReasonIn).get("reason")
        may_submit = tokens.has_scope(self.token, Scope.SUBMIT)
        if not may_submit:
            require_permission(self, operators.RETIRE)
        found = self.job(uuid)
        # A platform takes back its own; whoever ends others' needs the permission, as everywhere.
        is_own = may_submit and SubmitRequest.objects.filter(job=found.pk, account=self.account).exists()
        if not is_own:
            require_permission(self, operators.RETIRE)
        job, is_new = _cancel(found.submission_id, reason or "", None if is_own else self.actor)
        return answer(told(self.known(job.pk), http(request)), 201 if is_new else 200)


class Moves(OfSubmissions):
    """An operator's move: its name is that of `submissions.operators`."""

    scopes = {"retry": (Scope.OPERATE,), "release": (Scope.OPERATE,)}

    def retry(self, request: Any, uuid: str) -> HttpResponseBase:
        return self._move(request, uuid, operators.RETRY)

    def release(self, request: Any, uuid: str) -> HttpResponseBase:
        return self._move(request, uuid, operators.RELEASE)

    def _move(self, request: Any, uuid: str, move: operators.Move) -> HttpResponseBase:
        self.read(NothingIn)
        require_permission(self, move)
        job = self.job(uuid)
        move.run(job.submission_id, move.by(self.actor))
        return answer(told(self.known(job.pk), http(request)), 201)


@in_transaction
def _cancel(submission_id: int, reason: str, operator: Actor | None) -> tuple[ExternalGraderDetail, bool]:
    """The job, and whether this call ended it; then it is written down which operator did, if it was one."""
    job, is_new = queue.cancel(submission_id, *([reason] if reason else []))
    if is_new and operator is not None:
        operators.RETIRE.by(operator, reason).note(operators.RETIRE.touched([job]))
    return job, is_new


def require_permission(view: Resource, move: operators.Move) -> None:
    """Raises Problem."""
    if not view.token.account.has_perm(f"submissions.{move.permission}"):
        raise Problem(problems.AUTHZ, f"The token's account may not {move.phrase.format('this')}.")


def is_minimal(request: HttpRequest) -> bool:
    given = request.GET.get(VIEW)
    if given not in (None, MINIMAL):
        raise invalid({VIEW: [f"Must be {MINIMAL}."]})
    return given is not None


# Handing in. ---------------------------------------------------------------------------------------------------------


def _read(request: HttpRequest) -> tuple[Any, multipart.Files]:
    if request.content_type == "multipart/form-data":
        return multipart.read(request)
    return bodies.read_json(request, bodies.SUBMISSION_BYTES), {}


def _require_queue(view: Resource, name: str) -> None:
    """Raises Problem where the account may not submit to it, and where nobody has used it and nobody may make it."""
    if not storable(name) or not may_submit_to(view.token.account, name):
        raise Problem(problems.NOT_FOUND, "There is no such queue.")
    if queue.known_settings(name) is None and conf.STRICT_QUEUES and not tokens.names_whole(view.token, name):
        raise Problem(problems.NOT_FOUND, "There is no such queue.")


def _prepared(files: multipart.Files) -> dict[str, stored_files.AnyFile]:
    try:
        return stored_files.prepare(files)
    except SubmissionRequestError as error:
        raise Problem(problems.TOO_LARGE, str(error)) from None
    except (InvalidFileTypeError, FileProcessingError) as error:
        raise invalid({"files": [str(error)]}) from None


def _find(key: str, digest: str) -> int | None:
    """The job that was made by this request before. Raises Problem where it was another request."""
    found = SubmitRequest.objects.filter(request_key=key).values_list("pk", "digest").first()
    if found is None:
        return None
    idempotency.require_same(found[1], digest)
    return int(found[0])


@in_transaction
def _make(given: dict[str, Any], files: Mapping[str, Any], *, account: str, key: str, digest: str) -> int:
    answer_given = given["answer"]
    _require_size(answer_given)
    payload, is_json = _payload(given)
    if conf.STRICT_QUEUES:
        GraderQueue.objects.get_or_create(name=given["queue_name"])  # the token spells its name out
    item = {"student_id": given["learner_id"], **{name: given[name] for name in ("course_id", "item_id", "item_type")}}
    job = api.create_job(
        item,
        answer_given,
        queue_name=given["queue_name"],
        queue_key=given.get("reference"),
        points_possible=given["points_possible"],
        grader_payload=payload,
        grader_file_name=_grader_file_name(given.get("grader_payload")),
        files=files,
        account=account,
    )
    SubmitRequest(job=job, account=account, request_key=key, digest=digest, has_json_payload=is_json).save(
        force_insert=True
    )
    return job.pk


def _require_size(value: object) -> None:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text.encode("utf-8", "surrogatepass")) > Kept.MAXSIZE:
        raise Problem(problems.TOO_LARGE, f"The answer is larger than {Kept.MAXSIZE} bytes.")


def _payload(given: dict[str, Any]) -> tuple[str | None, bool]:
    """The payload as text, and whether that is JSON; text that no table can hold is kept with JSON's escapes."""
    payload = given.get("grader_payload")
    if payload is None or (isinstance(payload, str) and storable(payload)):
        return payload, False
    return json.dumps(payload, ensure_ascii=True), True


def _grader_file_name(payload: object) -> str:
    """What graders of XQueue's tradition go by, and operators look for."""
    name = payload.get("grader") if isinstance(payload, dict) else None
    return name if isinstance(name, str) and len(name) <= 128 and storable(name) else ""


def _invalid(error: SubmissionRequestError) -> Problem:
    found = fields.flat(error.field_errors)
    return invalid({NAMES.get(name, name): sentences for name, sentences in found.items()} or {"body": [str(error)]})


# As it is told. ------------------------------------------------------------------------------------------------------


def least(job: Job) -> dict[str, Any]:
    return {"uuid": str(job.submission.uuid), "status": states.word_of(job)}


def told(job: Job, request: HttpRequest) -> dict[str, Any]:
    """A Submission."""
    item = job.submission.student_item
    note = getattr(job, "claim_note", None)
    if note is not None and (note.claim_id != job.claim_id or states.word_of(job) != states.GRADING):
        note = None
    word = states.word_of(job)
    return {
        "uuid": str(job.submission.uuid),
        "queue_name": job.queue_name,
        "course_id": item.course_id,
        "item_id": item.item_id,
        "item_type": item.item_type,
        "learner_id": item.student_id,
        "reference": job.long_queue_key or job.queue_key,
        "status": word,
        "claim_count": job.num_pulls,
        "points_possible": job.points_possible if job.points_known else None,
        "created_at": base.time(job.created_at),
        "started_at": base.time(job.pulled_at),
        "finished_at": base.time(job.status_time if word in (states.GRADED, states.FAILED, states.CANCELLED) else None),
        "progress": note and note.progress,
        "phase": (note and note.phase) or None,
        "links": _links(job, request),
    }


def _links(job: Job, request: HttpRequest) -> dict[str, str]:
    places = {"self": "rest-submission", "result": "rest-submission-result", "position": "rest-position"}
    return {name: base.address(request, view, job.submission.uuid) for name, view in places.items()}
