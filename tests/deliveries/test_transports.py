"""What each transport sends, and what of the answers it takes for done."""

from __future__ import annotations

import base64
import json
import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.dispatch import Signal
from edx_django_utils.cache import RequestCache
from openedx_events.learning.signals import EXTERNAL_GRADER_SCORE_SUBMITTED
from pytest_django import Settings
from standardwebhooks import Webhook, WebhookVerificationError

from submissions import deliveries, queue, signals
from submissions.deliveries import claims, deliver_due
from submissions.deliveries.attempt import Outcome, attempt
from submissions.models import Delivery, DeliveryHost
from submissions.models import ExternalGraderDetail as Job
from submissions.outbound.http import Failed
from tests.deliveries.owed import given_up, graded, later, owed
from tests.make import make
from tests.platform_stub import Platform, Reply
from tests.queue.jobs import claim_one, limit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("local")]


def row() -> Delivery:
    return Delivery.objects.get()


def told(job: Job) -> str:
    """The delivery's state and last error, after one attempt."""
    graded(job)
    deliver_due()
    return f"{row().state}: {row().last_error}"


TWO = '{"msg": "m", "correct": 1, "score": 7, "a": 12345678901234567890, "score": 7}'
NO_MESSAGE = "<p>The grader sent no message.</p>"
TWICE = f'{{"correct":1,"score":1,"msg":"{NO_MESSAGE}","msg":"{NO_MESSAGE}"}}'

# Points. ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("meaning", "possible", "reply", "sent"),
    [
        # Nothing changes: not a byte.
        ("points", 10, '{"score":7 ,"correct":true, "msg":"\\u00fc"}', '{"score":7 ,"correct":true, "msg":"\\u00fc"}'),
        (
            "ratio",
            1,
            '{ "score" : 0.50, "x": [1e400, NaN], "correct": 0, "msg": "m" }',
            '{ "score" : 0.50, "x": [1e400, NaN], "correct": 0, "msg": "m" }',
        ),
        ("ratio", 10, '{"score": 0, "correct": false, "msg": "m"}', '{"score": 0, "correct": false, "msg": "m"}'),
        # A share becomes points, and nothing else in the text is touched.
        ("ratio", 10, '{"correct":true,\t"score":0.7,"msg":"a \\" b"}', '{"correct":true,\t"score":7,"msg":"a \\" b"}'),
        ("ratio", 3, '{"correct": 1, "msg": "m", "score": 0.5}', '{"correct": 1, "msg": "m", "score": 1.5}'),
        ("ratio", 100, '{"msg": "m", "correct": 1, "score": 0.07}', '{"msg": "m", "correct": 1, "score": 7}'),
        (
            "ratio",
            10,
            ' {"x": {"score": 0.1}, "score": 1e-1, "msg": "m", "correct": 0 } ',
            ' {"x": {"score": 0.1}, "score": 1, "msg": "m", "correct": 0 } ',
        ),
        (
            "ratio",
            10,
            '{"correct": 1, "msg": "\\"score\\": 0.7", "score": 0.7}',
            '{"correct": 1, "msg": "\\"score\\": 0.7", "score": 7}',
        ),
        ("ratio", 10, '{"sc\\u006fre": 0.7, "correct": 1, "msg": "m"}', '{"sc\\u006fre": 7, "correct": 1, "msg": "m"}'),
        # Of two scores some readers take the first and some the last.
        ("ratio", 10, '{"msg": "m", "correct": 1, "score": "no", "a": 12345678901234567890, "score": 0.7}', TWO),
        ("ratio", 0.5, '{"score": 1, "correct": 1, "msg": "ü😀"}', '{"score": 0.5, "correct": 1, "msg": "ü😀"}'),
        # What an LMS would refuse is completed.
        ("ratio", 2, ' { "score":1}', f' {{"correct": true, "msg": "{NO_MESSAGE}",  "score":2}}'),
        ("ratio", 2, '{"score":0.25, "msg":"m"}', '{"correct": false, "score":0.5, "msg":"m"}'),
        ("ratio", 1, '{"correct":1,"score":1,"msg":5,"msg":" "}', TWICE),
    ],
)
def test_the_platform_gets_points(platform: Platform, meaning: str, possible: float, reply: str, sent: str) -> None:
    limit(score_meaning=meaning)
    job = owed(f"{platform.url}/x", points_possible=possible)
    claimed = claim_one()
    queue.complete(job.submission_id, str(claimed.pullkey), score=json.loads(reply)["score"], reply=reply)
    deliver_due()
    (call,) = platform.calls
    assert call.form["xqueue_body"] == sent
    assert row().points == json.loads(sent)["score"]


# callback -----------------------------------------------------------------------------------------------------------


def test_a_callback_has_the_header_unchanged(platform: Platform) -> None:
    header = '{"lms_callback_url": "https://x/ü?a=1&b=2", "lms_key" : "k+%20", "queue_name":"q"}'
    graded(owed(f"{platform.url}/x?y=%2F", header=header), msg="5 & 6 = 11 %\n\0")
    deliver_due()
    (call,) = platform.calls
    assert (call.path, call.form["xqueue_header"]) == ("/x?y=%2F", header)
    assert call.reply == {"correct": True, "score": 1, "msg": "5 & 6 = 11 %\n\0"}
    assert "Authorization" not in call.headers


def test_a_failure_is_told_in_a_form_that_platforms_know(platform: Platform) -> None:
    limit(max_failures=1)
    given_up(owed(f"{platform.url}/x"))
    later(900)
    deliver_due()
    (call,) = platform.calls
    assert (call.reply["correct"], call.reply["score"]) == (False, 0)
    assert call.reply["msg"].startswith("<div><p>Your answer could not be graded.")
    assert call.form["xqueue_header"] == '{"lms_key": "k"}'


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 400, 401, 403, 404, 410, 500, 502, 503])
def test_only_200_is_done_and_everything_else_is_tried_again(platform: Platform, status: int) -> None:
    platform.answer = lambda call: Reply(status, {"Location": "/elsewhere"})
    assert told(owed(f"{platform.url}/x")) == f"due: It answered {status}."
    assert [call.path for call in platform.calls] == ["/x"]


def test_http_basic_goes_to_the_host_that_it_is_configured_for_and_to_no_other(
    platform: Platform, settings: Settings
) -> None:
    settings.SUBMISSIONS_CALLBACK_AUTH = {"Localhost": "lms:s3cr:et"}
    for number, host in enumerate(("localhost", "127.0.0.1", "LOCALHOST")):
        graded(owed(f"http://{host}:{platform.port}/{number}", item=str(number)))
    deliver_due()
    sent = {call.path: call.headers.get("Authorization") for call in platform.calls}
    assert sent == {"/0": "Basic " + base64.b64encode(b"lms:s3cr:et").decode(), "/1": None, "/2": sent["/0"]}


def test_a_callback_goes_to_allowed_hosts_only(platform: Platform, settings: Settings) -> None:
    settings.SUBMISSIONS_CALLBACK_HOSTS = ["lms.example.org"]
    assert told(owed(f"{platform.url}/x")) == "given_up: Results may not be sent to 127.0.0.1."
    assert platform.calls == []
    limit(callback_hosts="lms.example.org\n127.0.0.1")
    deliveries.retry(row().pk)
    deliver_due()
    assert (row().state, len(platform.calls)) == ("delivered", 1)


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "http://[fd00::1]/"])
def test_a_callback_never_goes_where_only_this_machine_can_reach(url: str) -> None:
    assert told(owed(url)).startswith("given_up: ")
    assert "which is not a public address" in str(row().last_error)


def test_a_destination_that_is_no_address_is_given_up() -> None:
    assert told(owed("javascript:alert(1)")) == (
        "given_up: The address must begin with https:// or http:// and name a host."
    )
    assert row().host == "callback"


# webhook ------------------------------------------------------------------------------------------------------------

SECRETS = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + base64.b64encode(b"b" * 32).decode()]


@pytest.fixture
def hook(platform: Platform, settings: Settings) -> Platform:
    settings.SUBMISSIONS_WEBHOOK_URL = f"{platform.url}/hook"
    settings.SUBMISSIONS_WEBHOOK_SECRETS = SECRETS
    return platform


def test_a_webhook_is_signed_with_every_secret(hook: Platform) -> None:
    job = make(points_possible=10)
    graded(job, 0.7)
    deliver_due()
    (call,) = hook.calls
    headers = dict(call.headers)
    for secret in SECRETS:
        body = Webhook(secret).verify(call.body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(b"c" * 32).decode()).verify(call.body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRETS[0]).verify(call.body.replace(b"scored", b"failed"), headers)
    assert (headers["webhook-id"], headers["Content-Type"]) == (
        f"msg_{row().pk}_{job.submission.uuid}",
        "application/json",
    )
    assert body == {
        "type": "result.scored",
        "timestamp": row().ready_at.isoformat(),  # type: ignore[union-attr]
        "data": {
            "submission_id": job.submission_id,
            "submission_uuid": str(job.submission.uuid),
            "course_id": "c",
            "item_id": "item",
            "student_id": job.submission.student_item.student_id,
            "queue_name": "q",
            "queue_key": "key",
            "reference": "key",
            "grader": "grader",
            "points_earned": 7,
            "points_possible": 10,
            "reply": '{"correct": true, "score": 7, "msg": "<p>ok</p>"}',
        },
    }


def test_a_webhook_says_that_there_is_no_score(hook: Platform) -> None:
    limit(max_failures=1)
    given_up(make())
    deliver_due()
    body = json.loads(hook.calls[0].body)
    assert (body["type"], body["data"]["points_earned"], body["data"]["reply"]) == ("result.failed", None, None)


def test_each_attempt_of_a_webhook_has_the_same_name(hook: Platform) -> None:
    hook.answer = lambda call: 500 if len(hook.calls) == 0 else 202
    graded(make())
    deliver_due()
    later(10)
    deliver_due()
    names = [call.headers["webhook-id"] for call in hook.calls]
    assert (len(names), len(set(names)), row().state) == (2, 1, "delivered")


def test_a_webhook_without_a_secret_is_not_sent(hook: Platform, settings: Settings) -> None:
    settings.SUBMISSIONS_WEBHOOK_SECRETS = []
    assert told(make()) == "given_up: There is no secret to sign it with."
    limit(webhook_secrets=SECRETS[1])
    deliveries.retry(row().pk)
    deliver_due()
    Webhook(SECRETS[1]).verify(hook.calls[0].body, dict(hook.calls[0].headers))


@pytest.mark.parametrize(("status", "state"), [(200, "delivered"), (204, "delivered"), (410, "given_up"), (404, "due")])
def test_what_a_webhook_takes_for_done(hook: Platform, status: int, state: str) -> None:
    hook.answer = lambda call: status
    assert told(make()).startswith(state)


@pytest.mark.parametrize(
    ("status", "asked"),
    [(429, "1000"), (503, "1000"), (503, "")],
    ids=["429, seconds", "503, seconds", "503, a date"],
)
def test_a_host_that_asks_for_time_gets_it(hook: Platform, status: int, asked: str) -> None:
    # Of now, not of when the suite began.
    asked = asked or format_datetime(datetime.now(UTC) + timedelta(seconds=1000), usegmt=True)
    hook.answer = lambda call: Reply(status, {"Retry-After": asked})
    graded(make(student="a"))
    graded(make(student="b"))
    deliver_due()
    assert len(hook.calls) == 1
    later(700)
    deliver_due()
    assert len(hook.calls) == 1
    later(310)
    hook.answer = lambda call: 200
    deliver_due()
    later(200)
    deliver_due()
    assert len(hook.done) == 2


@pytest.mark.parametrize(
    "asked",
    [
        "soon",
        "Fri, 31 Dec 2027 23:59:59 +99999999999999999999",
        "Fri, 31 Dec 99999999999999999999 23:59:59 GMT",
        "9" * 900,
    ],
)
def test_a_host_that_asks_for_an_odd_time_is_busy_all_the_same(hook: Platform, asked: str) -> None:
    hook.answer = lambda call: Reply(503, {"Retry-After": asked})
    assert told(make()) == "due: It answered 503."
    assert DeliveryHost.objects.get().failures == 1


def test_a_host_that_is_called_as_a_transport_has_no_part_in_its_pauses(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, listener: None
) -> None:
    """Else whoever may name a callback could stop all events: five that fail, and the host is left alone."""
    settings.SUBMISSIONS_TRANSPORTS = ["signal"]
    assert [
        queue.host_of("callback", url) for url in ("http://event/a", "https://SIGNAL:444/", "http://\uff53ignal./")
    ] == [
        "event.",
        "signal.",
        "signal.",
    ]
    assert queue.host_of("callback", "https://lms.example\u3002/") == "lms.example"
    assert [queue.host_of(name, "") for name in ("signal", "event")] == ["signal", "event"]
    for number in range(5):
        graded(owed("http://signal/", student=str(number)))

    def resolve(host: str, port: int) -> list[str]:
        raise Failed(f"{host} cannot be found.")

    monkeypatch.setattr("submissions.outbound.addresses.resolve", resolve)
    deliver_due()
    assert {(one.transport, one.host, one.state) for one in Delivery.objects.all()} == {
        ("callback", "signal.", "due"),
        ("signal", "signal", "delivered"),
    }
    assert [one.host for one in DeliveryHost.objects.all()] == ["signal."]


# signal -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def heard(settings: Settings) -> Any:
    """Messages that a receiver got; `heard.trouble` makes it raise."""

    class Heard(list[Any]):
        trouble: Exception | None = None

    found = Heard()

    def receive(message: deliveries.Message, **_: Any) -> None:
        found.append(message)
        if found.trouble:
            raise found.trouble

    settings.SUBMISSIONS_TRANSPORTS = ["signal"]
    signals.result_ready.connect(receive)
    yield found
    signals.result_ready.disconnect(receive)


def test_a_receiver_that_raises_what_no_database_can_keep_is_noted_and_paused_too(
    heard: Any, caplog: pytest.LogCaptureFixture
) -> None:
    # Django logs what receivers raise, and no process of several can tell another one half a surrogate.
    caplog.set_level(logging.CRITICAL, "django.dispatch")
    heard.trouble = ValueError("no such learner: \0\ud800" + "x" * 5000)
    assert told(make()) == "due: ValueError: no such learner: \\u0000\\ud800" + "x" * 1959
    heard.trouble = None
    later(10)
    deliver_due()
    assert row().state == "delivered"


def test_a_receiver_that_raises_gets_it_again_and_the_score_stays(heard: Any) -> None:
    heard.trouble = ValueError("not now")
    job = make(points_possible=10)
    assert told(job) == "due: ValueError: not now"
    assert Job.objects.get().status == "retired"
    heard.trouble = None
    later(10)
    deliver_due()
    assert row().state == "delivered"
    assert [(one.submission_id, one.result, one.points_earned, one.attempt) for one in heard] == [
        (job.submission_id, "score", 10, 1),
        (job.submission_id, "score", 10, 2),
    ]
    assert [(one.outcome, one.error) for one in deliveries.attempts_of(row())] == [
        ("failed", "ValueError: not now"),
        ("delivered", ""),
    ]


def test_a_result_that_nobody_would_hear_waits_for_somebody(settings: Settings) -> None:
    settings.SUBMISSIONS_TRANSPORTS = ["signal"]
    assert told(make()) == "due: Nobody listens to result_ready in this process."
    assert not DeliveryHost.objects.exists()  # in another process somebody may


# event --------------------------------------------------------------------------------------------------------------


class Block:
    """What the platform does with the event: it reads score_msg, finds its block by the rest, and may raise."""

    def __init__(self) -> None:
        self.scores: list[Any] = []
        self.trouble: Exception | None = None

    def handle(self, signal: Signal, sender: Any, score: Any, **_: Any) -> None:
        message = json.loads(score.score_msg)
        data = {
            "xqueue_header": json.dumps({"lms_key": str(score.submission_id), "queue_name": score.queue_name}),
            "xqueue_body": score.score_msg,
            "queuekey": score.queue_key,
        }
        if self.trouble:
            raise self.trouble
        self.scores.append((message["score"], data, score))


@pytest.fixture
def block(settings: Settings) -> Any:
    settings.SUBMISSIONS_TRANSPORTS = ["event"]
    found = Block()
    EXTERNAL_GRADER_SCORE_SUBMITTED.connect(found.handle)
    yield found
    EXTERNAL_GRADER_SCORE_SUBMITTED.disconnect(found.handle)


@pytest.mark.parametrize(
    ("possible", "share", "exact", "earned", "of"),
    [(10, 0.7, 7, 7, 10), (1, 0.5, 0.5, 0, 1), (1, 0.49, 0.49, 0, 1), (2.5, 1, 2.5, 3, 3), (10, 0.97, 9.7, 9, 10)],
)
def test_the_event_has_all_nine_fields(
    block: Block, possible: float, share: float, exact: float, earned: int, of: int
) -> None:
    job = make(points_possible=possible)
    graded(job, share)
    deliver_due()
    ((score, data, event),) = block.scores
    assert score == exact
    assert data["queuekey"] == "key"
    assert vars(event) == {
        "points_possible": of,
        "points_earned": earned,
        "course_id": "c",
        "score_msg": f'{{"correct": true, "score": {json.dumps(exact)}, "msg": "<p>ok</p>"}}',
        "submission_id": job.submission_id,
        "user_id": job.submission.student_item.student_id,
        "module_id": "item",
        "queue_key": "key",
        "queue_name": "q",
    }
    assert row().state == "delivered"


@pytest.mark.parametrize("zone", [ZoneInfo("Europe/Paris"), ZoneInfo("UTC"), None])
def test_a_platform_whose_times_are_not_in_utc_gets_the_event_and_the_moment(
    block: Block, zone: ZoneInfo | None
) -> None:
    """A database's TIME_ZONE, or USE_TZ = False. The event takes one way to say UTC, and no other."""
    graded(make())
    read = claims.take(1, lambda _: 1)[0]
    moment = read.row.ready_at
    assert moment is not None
    read.row.ready_at = moment.astimezone(zone).replace(tzinfo=zone)
    told_at: list[datetime] = []

    def hear(metadata: Any, **_: Any) -> None:
        told_at.append(metadata.time)

    EXTERNAL_GRADER_SCORE_SUBMITTED.connect(hear)
    try:
        assert attempt(read) == Outcome.DELIVERED
    finally:
        EXTERNAL_GRADER_SCORE_SUBMITTED.disconnect(hear)
    assert told_at == [moment]


def test_a_platform_that_raises_never_undoes_the_score_and_gets_the_event_again(block: Block) -> None:
    """edx-submissions sent it inside the transaction: the receiver's trouble became the grader's (E15)."""
    block.trouble = KeyError("no such block")
    job = make()
    assert told(job) == "due: KeyError: 'no such block'"
    assert (Job.objects.get().status, Job.objects.get().num_failures) == ("retired", 0)
    block.trouble = None
    later(10)
    deliver_due()
    assert [score for score, _, _ in block.scores] == [1]
    assert row().state == "delivered"


def test_the_event_tells_of_a_failure_so_that_no_learner_waits_for_ever(block: Block) -> None:
    limit(max_failures=1)
    given_up(make())
    later(900)
    deliver_due()
    ((score, data, _),) = block.scores
    assert (score, json.loads(data["xqueue_body"])["correct"]) == (0, False)


def test_each_event_begins_without_what_receivers_cached_for_the_last_one(block: Block) -> None:
    found = []

    def caching(**_: Any) -> None:
        cache = RequestCache("platform")
        found.append(cache.get_cached_response("user").is_found)
        cache.set("user", "ada")

    EXTERNAL_GRADER_SCORE_SUBMITTED.connect(caching)
    for student in "ab":
        graded(make(student=student))
    deliver_due()
    EXTERNAL_GRADER_SCORE_SUBMITTED.disconnect(caching)
    assert found == [False, False]


def test_what_a_receiver_says_is_not_logged(
    block: Block, caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Any
) -> None:
    block.trouble = ValueError("bad reply: {'msg': 'secret'}")
    with caplog.at_level("INFO", "submissions"), django_capture_on_commit_callbacks(execute=True):
        told(make())
    (line,) = [one.getMessage() for one in caplog.records if one.getMessage().startswith("delivery")]
    assert line.startswith(f"delivery {row().pk} of job {row().job_id}, event to event: attempt 1 failed, next in ")
    assert line.endswith(" seconds: ValueError")


def test_a_transport_that_there_is_not_is_given_up(settings: Settings) -> None:
    settings.SUBMISSIONS_TRANSPORTS = ["pigeon"]
    assert told(make()) == "given_up: There is no transport 'pigeon'."
