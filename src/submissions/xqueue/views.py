"""The verbs of the dialect. Each one is: parse, one verb of the queue, reply."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.utils.encoding import iri_to_uri

from submissions import api, handing, queue
from submissions.accounts.throttle import Throttled
from submissions.conf import conf
from submissions.errors import FileProcessingError, LeaseLost, UnknownQueue
from submissions.queue import ClaimedJob, names_for
from submissions.text import may_be_cut_off, without_doubled_slashes
from submissions.waiting import room
from submissions.xqueue import bodies, patience, sessions, wire
from submissions.xqueue.endpoints import View, endpoint, ok, refused
from submissions.xqueue.jobs import body_of

# How many jobs with damaged files one poll passes over.
MOST_DAMAGED = 5
# Name and password, whatever they are written in (bytes).
LOGIN_BYTES = 16 * 1024
# Watchers hang up after a second. An answer that was quicker than this is not looked after (seconds).
SLOW_SECONDS = 0.5


def login(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        get_token(request)  # sets the cookie that newer watchers look for
        return refused(200, "login_required")
    # It is read before anybody is known.
    is_too_long = bodies.declared_length(request) > LOGIN_BYTES
    fields: Mapping[str, object] = {} if is_too_long else bodies.fields(request)
    username, password = fields.get("username"), fields.get("password")
    if not (isinstance(username, str) and isinstance(password, str) and username and password):
        return refused(400, "Insufficient login info")
    try:
        let_in = sessions.begin(request, username, password)
    except Throttled as throttled:
        response = refused(429, str(throttled))
        response["Retry-After"] = str(throttled.seconds)
        return response
    return ok("Logged in") if let_in else refused(401, "Incorrect login credentials")


def logout(request: HttpRequest) -> HttpResponse:
    goodbye = sessions.type_reply(request, ok("Goodbye"))  # while the session can say which
    sessions.end(request)
    return goodbye


def status(request: HttpRequest) -> HttpResponse:
    return ok("OK")


def get_queuelen(request: HttpRequest) -> HttpResponse:
    queue_name = request.GET.get("queue_name")
    if not queue_name:
        return refused(400, "'get_queuelen' must provide parameter 'queue_name'")
    grader = _grader(request)
    try:
        if not sessions.covers(request, queue_name):
            raise UnknownQueue
        return ok(queue.depth(queue_name, grader=grader))
    except UnknownQueue:
        names = (name for name in names_for(grader) if sessions.covers(request, name))
        return refused(200, f"Valid queue names are: {', '.join(names)}")


def get_submission(request: HttpRequest) -> HttpResponse:
    queue_name = request.GET.get("queue_name")
    if not queue_name:
        return refused(400, "'get_submission' must provide parameter 'queue_name'")
    mount = _mount(request)  # before the claim: what fails here must not hold a job
    for _ in range(MOST_DAMAGED):
        try:
            jobs = [] if patience.is_over() else _claim(request, queue_name)
        except UnknownQueue:
            return refused(200, f"Queue '{queue_name}' not found")
        if jobs and patience.is_over():
            handing.take_back(jobs)
            jobs = []
        if not jobs:
            break
        with suppress(FileProcessingError):  # a damaged file: that job's failure, and the next one is tried
            return _hand_out(jobs[0], mount)
    return refused(200, f"Queue '{queue_name}' is empty")


def _claim(request: HttpRequest, queue_name: str) -> list[ClaimedJob]:
    """Where nothing is due, for as long as the queue says."""
    if not sessions.covers(request, queue_name):
        raise UnknownQueue
    grader = _grader(request)
    jobs = queue.claim(queue_name, grader=grader)
    seconds = 0 if jobs else queue.settings_of(queue_name).wait_milliseconds / 1000
    if not seconds:
        return jobs
    return room.wait([queue_name], grader, seconds, partial(queue.claim, queue_name, grader=grader))[0]


def put_result(request: HttpRequest) -> HttpResponse:
    result = wire.parse_result(bodies.fields(request), longest=int(conf.REPLY_MAX_BYTES))
    if bodies.is_in_chunks(request) and may_be_cut_off(result.reply):
        raise wire.Malformed("it may have broken off")
    try:
        return _record(result)
    except LeaseLost:
        # Without a key that was ever good for it: of a queue that this account may not know, not even that it is there.
        queue.require_known(result.submission_id, grader=_grader(request))
        raise


def _record(result: wire.Result) -> HttpResponse:
    if result.flaw is not None:
        # Still this grader's word on this job, to be kept and counted.
        queue.fail(result.submission_id, result.key, reason=result.flaw, reply=result.reply)
        return refused(400, wire.refusal(result.flaw))
    patience.begin()  # however long its body took
    done = queue.complete(result.submission_id, result.key, score=result.score, reply=result.reply)
    if not result.is_complete:
        queue.note_incomplete(done)
    patience.is_over()  # remembered for the polls
    return ok("")


ENDPOINTS: dict[str, View] = {
    view.__name__: view
    for view in (
        endpoint(login, "GET", "POST", for_all=True),
        endpoint(logout, "GET", "POST", for_all=True),
        endpoint(status, "GET", "POST", for_all=True),
        # No HEAD anywhere: answered with whatever answers GET, it would take a job.
        endpoint(get_queuelen, "GET"),
        endpoint(get_submission, "GET"),
        endpoint(put_result, "POST"),
    )
}


def _grader(request: HttpRequest) -> str:
    return str(request.user.get_username())


def _hand_out(job: ClaimedJob, mount: str) -> HttpResponse:
    """Raises what `_write` raises."""
    answer = ok(_write_or_fail(job, mount))
    return handing.HandedOut(answer, [job]) if patience.seconds() > SLOW_SECONDS else answer


def _write_or_fail(job: ClaimedJob, mount: str) -> str:
    """The job as a grader reads it. What cannot be written must not be offered forever while others wait behind it."""
    try:
        return _write(job, mount)
    except Exception as error:  # a storage that cannot say where a file is, say
        queue.fail(job.submission_id, str(job.pullkey), reason=f"The job could not be handed out: {error}")
        raise


def _write(job: ClaimedJob, mount: str) -> str:
    return wire.submission(
        submission_id=job.submission_id,
        key=str(job.pullkey),
        body=body_of(job),
        files=api.get_files_for_grader(job, mount),
    )


def _mount(request: HttpRequest) -> str:
    """The absolute address that these endpoints are mounted under, with its slash."""
    path = without_doubled_slashes(request.path).rstrip("/").rpartition("/")[0] + "/"
    base = str(conf.BASE_URL).rstrip("/")
    # As build_absolute_uri does, of what needs no resolving.
    return base + path if base else iri_to_uri(f"{request.scheme}://{request.get_host()}{path}")
