"""`gradequeue retry`, `retire` and `release`: an operator's moves, one by one or many at once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils.timezone import now

from submissions import queue
from submissions.models import ExternalGraderDetail
from tests.cli.talk import log_in, pull
from tests.make import make_in
from tests.server import Server

# Through the executable, at a service that grades meanwhile. --------------------------------------------------------


def test_jobs_are_released_and_retired_by_ids_while_a_grader_holds_them(server: Server, name: str) -> None:
    first, second, third = server.enqueue(*[{"queue_name": name}] * 3)
    http, _, _ = log_in(server, name, server.grader(name))
    with http:
        keys = [json.loads(json.loads(pull(http, server, name).json()["content"])["xqueue_header"]) for _ in range(2)]
        assert [key["submission_id"] for key in keys] == [first, second]
        done = server.run("release", "--json", str(first), str(third), "4711000", "x", check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("Will release 4 jobs.\n")
        assert done.stderr.endswith("1 released, 3 refused.\n")
        assert [json.loads(line) for line in done.stdout.splitlines()] == [
            {"submission_id": first, "status": "retry"},
            {"submission_id": third, "error": f"Submission {third} is pending; only pulled can be released."},
            {"submission_id": 4711000, "error": "There is no job for this submission."},
            {"submission_id": "x", "error": "'x' is not the id of a submission"},
        ]
        done = server.run("retire", given=f"{second}\n\n{third}\n")
        assert (done.stdout, done.stderr.splitlines()[0], done.stderr.splitlines()[-1]) == (
            "",
            "Will end 2 jobs without a score.",
            "2 ended without score, 0 refused.",
        )
        result = {"xqueue_header": json.dumps(keys[1]), "xqueue_body": '{"score": 1}'}
        late = http.post(f"{server.url}/xqueue/put_result/", data=result, timeout=20)
    assert (late.status_code, late.json()["return_code"]) == (409, 1)
    told = [(row["status"], row["points_earned"], row["last_error"]) for row in server.show(first, second, third)]
    assert told == [
        ("retry", None, None),
        ("retired", None, "Ended by an operator."),
        ("retired", None, "Ended by an operator."),
    ]


@pytest.mark.once
def test_words_that_do_not_go_together_are_wrong_usage(server: Server) -> None:
    done = server.run("retry", "1", "--queue", "q", check=False)
    told = "UsageError: Give ids, or --queue or --all-matching, not both.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", told)


# In this process. ---------------------------------------------------------------------------------------------------

in_process = pytest.mark.django_db


def made(status: str, queue_name: str = "a", **fields: Any) -> int:
    """The submission's id of a job in that status."""
    return int(make_in(status, queue_name, **fields).submission_id)


def states() -> dict[int, str]:
    return dict(ExternalGraderDetail.objects.values_list("submission_id", "status"))


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[Any], list[str]]:
    """The exit code, the objects on standard output, and the lines on standard error."""
    code = 0
    try:
        call_command(*words)
    except SystemExit as end:
        code = int(end.code or 0)
    out, err = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], err.splitlines()


@in_process
@pytest.mark.parametrize(
    ("verb", "will", "done", "starts_from", "ends_in"),
    [
        ("retry", "Will retry 1 job.", "1 retried", {"failed"}, "pending"),
        (
            "retire",
            "Will end 4 jobs without a score.",
            "4 ended without score",
            {"pending", "retry", "pulled", "failed"},
            "retired",
        ),
        ("release", "Will release 1 job.", "1 released", {"pulled"}, "retry"),
    ],
)
def test_all_of_a_queue_are_those_that_can_be_moved(
    capsys: pytest.CaptureFixture[str], verb: str, will: str, done: str, starts_from: set[str], ends_in: str
) -> None:
    ids = {status: made(status) for status in ("pending", "retry", "pulled", "failed", "retired")}
    other = made(sorted(starts_from)[0], "b")
    code, rows, told = run(capsys, verb, "--queue", "a", "--json")
    assert (code, told) == (0, [will, f"{done}, 0 refused."])
    touched = [ids[status] for status in ids if status in starts_from]
    assert rows == [{"submission_id": one, "status": ends_in} for one in touched]
    assert states() == {
        **{one: ends_in if status in starts_from else status for status, one in ids.items()},
        other: sorted(starts_from)[0],
    }


@in_process
def test_a_retried_job_starts_afresh(capsys: pytest.CaptureFixture[str]) -> None:
    submission_id = made("failed")
    run(capsys, "retry", str(submission_id))
    (claimed,) = queue.claim("a", grader="ada")
    assert (claimed.submission_id, claimed.row.num_failures) == (submission_id, 0)


@in_process
@pytest.mark.parametrize("words", [("--all-matching",), ("--queue", "a"), ("--all-matching", "--course", "c")])
def test_a_dry_run_only_says_which(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    ids = [made("failed"), made("failed")]
    assert run(capsys, "retry", "--dry-run", *words) == (0, ids, ["Will retry 2 jobs."])
    assert states() == dict.fromkeys(ids, "failed")


@in_process
@pytest.mark.parametrize(
    ("words", "touched"),
    [
        ((), ["one", "two", "three", "four"]),
        (("--course", "c2"), ["two"]),
        (("--item", "i2"), ["three"]),
        (("--learner", "s"), ["one", "two", "three", "four"]),
        (("--student", "s"), ["one", "two", "three", "four"]),
        (("--student", "S' OR 1=1 --"), []),
        (("--course", "c", "--item", "item"), ["one", "four"]),
        (("--older-than", "3600"), ["four"]),
        (("--older-than", "3600", "--course", "c2"), []),
    ],
)
def test_filters_narrow_all_that_match(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], touched: list[str]
) -> None:
    ids = {
        "one": made("failed", student="s"),
        "two": made("failed", "b", student="s", course="c2"),
        "three": made("failed", "b", student="s", item="i2"),
        "four": made("failed", "b", student="s"),
    }
    waiting = made("pending")
    long_ago = now() - timedelta(seconds=3700)
    ExternalGraderDetail.objects.filter(submission_id=ids["four"]).update(status_time=long_ago)
    code, rows, _ = run(capsys, "retry", "--all-matching", "--json", *words)
    assert (code, [row["submission_id"] for row in rows]) == (0, [ids[name] for name in touched])
    assert states()[waiting] == "pending"


@in_process
@pytest.mark.parametrize(
    "command",
    [
        "retry",
        "retire",
        "release",
        "jobs",
        "deliveries list",
        "deliveries resend",
        "deliveries give-up",
        "prune --older-than 1",
    ],
)
def test_a_queue_that_there_is_not_is_told(command: str) -> None:
    waiting = made("pending")
    every = ["--all-matching"] if command.endswith(("resend", "give-up")) else []
    for name in ("nosuch", "aa"):
        with pytest.raises(CommandError, match=f"^There is no queue '{name}'.$"):
            call_command(*command.split(), *every, "--queue", name)
    for name in ("no\0such", "\udcff"):
        with pytest.raises(CommandError, match=r"a name is a text in UTF-8, without NUL|No queue can have this name"):
            call_command(*command.split(), *every, "--queue", name)
    assert states() == {waiting: "pending"}


@in_process
def test_a_queue_of_whose_jobs_none_can_be_moved_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    made("pending")
    assert run(capsys, "retry", "--queue", "a", "--json") == (0, [], ["Will retry 0 jobs.", "0 retried, 0 refused."])


@in_process
@pytest.mark.parametrize(("option", "field"), [("--learner", "student"), ("--course", "course"), ("--item", "item")])
def test_a_name_in_capital_letters_is_another_one(capsys: pytest.CaptureFixture[str], option: str, field: str) -> None:
    # MySQL takes them for equal, and what is ended cannot be undone.
    learners = {"student": "s", "course": "1", "item": "i"}, {"student": "s", "course": "2", "item": "j"}
    other, asked = (
        made("failed", **{**learner, field: name}) for learner, name in zip(learners, ("Ada", "ada"), strict=True)
    )
    assert run(capsys, "retire", "--queue", "a", option, "ada", "--json") == (
        0,
        [{"submission_id": asked, "status": "retired"}],
        ["Will end 1 job without a score.", "1 ended without score, 0 refused."],
    )
    assert states() == {other: "failed", asked: "retired"}


@in_process
def test_more_jobs_than_a_batch_are_each_touched_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("submissions.management.verbs.BATCH", 3)
    ids = [made("failed") for _ in range(8)]
    code, rows, told = run(capsys, "retry", "--queue", "a", "--json")
    assert (code, [row["submission_id"] for row in rows]) == (0, ids)
    assert told == ["Will retry 8 jobs.", "8 retried, 0 refused."]


@in_process
def test_an_id_twice_is_refused_the_second_time(capsys: pytest.CaptureFixture[str]) -> None:
    one = str(made("failed"))
    code, rows, told = run(capsys, "retry", one, one)
    assert (code, rows) == (1, [])
    assert told == [
        "Will retry 2 jobs.",
        f"{one}: Submission {one} is pending; only failed can be retried.",
        "1 retried, 1 refused.",
    ]


@in_process
@pytest.mark.parametrize("word", ["9" * 5000, "²", "٣", "-1", "1.0", ""])
def test_what_is_no_id_is_told_and_the_others_go_through(capsys: pytest.CaptureFixture[str], word: str) -> None:
    one = made("failed")
    code, rows, _ = run(capsys, "retry", "--json", "--", word, str(one))
    assert code == 1
    assert rows == [
        {"submission_id": word, "error": f"{word[:60]!r} is not the id of a submission"},
        {"submission_id": one, "status": "pending"},
    ]


@in_process
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("1", "--all-matching"), "Give ids, or --queue or --all-matching, not both."),
        (("1", "--course", "c"), "--course goes with --queue or --all-matching."),
        (("--student", ""), "--learner goes with --queue or --all-matching."),
        (("--older-than", "5"), "--older-than goes with --queue or --all-matching."),
        *((("--all-matching", "--older-than", age), "whole number") for age in ("0", "-1", "x", "1.5")),
        (("--all-matching", "--older-than", "9" * 30), "9999999999 is the most"),
    ],
)
def test_other_wrong_words_are_told_before_anything_is_touched(words: tuple[str, ...], sentence: str) -> None:
    one = made("pending")
    with pytest.raises(CommandError, match=sentence):
        call_command("retire", *words)
    assert states() == {one: "pending"}
