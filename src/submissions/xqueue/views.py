"""The verbs of the dialect. Each one is: parse, one verb of the queue, reply."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.utils.encoding import iri_to_uri

from submissions import api, queue
from submissions.accounts.throttle import Throttled
from submissions.conf import conf
from submissions.errors import UnknownQueue
from submissions.queue import ClaimedJob, names_for
from submissions.xqueue import bodies, patience, sessions, wire
from submissions.xqueue.endpoints import View, endpoint, ok, refused
from submissions.xqueue.jobs import body_of


def login(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        get_token(request)  # sets the cookie that newer watchers look for
        return refused(200, "login_required")
    fields = bodies.fields(request)
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
    sessions.end(request)
    return ok("Goodbye")


def status(request: HttpRequest) -> HttpResponse:
    return ok("OK")


def get_queuelen(request: HttpRequest) -> HttpResponse:
    queue_name = request.GET.get("queue_name")
    if not queue_name:
        return refused(400, "'get_queuelen' must provide parameter 'queue_name'")
    grader = _grader(request)
    try:
        return ok(queue.depth(queue_name, grader=grader))
    except UnknownQueue:
        return refused(200, f"Valid queue names are: {', '.join(names_for(grader))}")


def get_submission(request: HttpRequest) -> HttpResponse:
    queue_name = request.GET.get("queue_name")
    if not queue_name:
        return refused(400, "'get_submission' must provide parameter 'queue_name'")
    mount = _mount(request)  # before the claim: what fails here must not hold a job
    try:
        jobs = [] if patience.is_over() else queue.claim(queue_name, grader=_grader(request))
    except UnknownQueue:
        return refused(200, f"Queue '{queue_name}' not found")
    if jobs and patience.is_over():
        _take_back(jobs)
        jobs = []
    if not jobs:
        return refused(200, f"Queue '{queue_name}' is empty")
    return ok(_write_or_fail(jobs[0], mount))


def put_result(request: HttpRequest) -> HttpResponse:
    result = wire.parse_result(bodies.fields(request), longest=int(conf.REPLY_MAX_BYTES))
    if result.flaw is not None:
        # Still this grader's word on this job, to be kept and counted.
        queue.fail(result.submission_id, result.key, reason=result.flaw, reply=result.reply)
        return refused(400, str(wire.Malformed.__doc__) if result.flaw == wire.NO_OBJECT else result.flaw)
    patience.begin()  # however long its body took
    queue.complete(result.submission_id, result.key, score=result.score, reply=result.reply)
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


def _take_back(jobs: list[ClaimedJob]) -> None:
    """Claims that nobody waits for any more: no failures, and due at once."""
    for job in jobs:
        queue.release(job.submission_id, job.pullkey, reason="The claim came too late: the grader had gone.")


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
    path = request.path.rstrip("/").rpartition("/")[0] + "/"
    base = str(conf.BASE_URL).rstrip("/")
    # As build_absolute_uri does, of what needs no resolving.
    return base + path if base else iri_to_uri(f"{request.scheme}://{request.get_host()}{path}")
