"""The recount, on evidence made up by hand: clean evidence passes, and each kind of damage is found."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.nemesis.grader import GAVE_UP, TWO
from tests.nemesis.incoming import POINTS, RATIO, Wanted
from tests.nemesis.journal import Acknowledged, Answered, Delivered, Entry, Fetched, Noticed, Sent, Told
from tests.nemesis.plan import DATABASE_FAULTS, SERVICE_FAULTS, UPGRADE, plan
from tests.nemesis.recount import RULES, Evidence, Standstill, disagreements
from tests.nemesis.tables import Job, Score, StoredFile, Submission, Summary, Tables

pytestmark = pytest.mark.once

OLDER = Wanted("a", RATIO, "learner", "item", 10, 1, submission_id=1)
NEWER = Wanted("b", POINTS, "learner", "item", 4, 0, submission_id=2)
FIRST = Delivered("0.0", 100.0, 100.1, RATIO, 1, "key-1", "a", 1)
SECOND = Delivered("1.0", 102.2, 102.3, RATIO, 1, "key-2", "a", 1)
THIRD = Delivered("1.0", 103.0, 103.1, POINTS, 2, "key-3", "b", 0)
# Of "print('a', 0)  # é" and a newline.
DIGEST = "8dc5089a06e96c087c387d8fb292bf8ba3ad43c169c16edaa0155e7ff1e48db4"
ENTRIES: list[Entry] = [
    FIRST,
    SECOND,
    THIRD,
    Sent("0.0/1", 102.5, "right", 1, "key-1", '{"score": 1}', 1),
    Answered("0.0/1", 102.6, 409, 1, "Incorrect key for submission"),
    Sent("1.0/1", 102.7, "right", 1, "key-2", '{"score": 0.7}', 0.7),
    Answered("1.0/1", 102.8, 200, 0, ""),
    Sent("1.0/2", 103.2, "garbage", 2, "key-3", "no JSON", None),
    Answered("1.0/2", 103.3, 400, 1, "Incorrect reply format"),
    Told(103.5, 1, 7.0),
    Told(103.5, 2, None),
    Told(103.6, 2, 0.25),
    Acknowledged(103.7, 2, 0.25),
    Fetched("1.0", 102.4, 1, "file 0.py", DIGEST),
    Sent("1.0/3", 103.4, "right", 2, "key-3", '{"score": 0.25}', 0.25),
]
TABLES = Tables(
    [Submission(1, 5, 1, "a", "learner", "item"), Submission(2, 5, 2, "b", "learner", "item")],
    [
        Job(1, RATIO, "retired", "key-2", '{"score": 0.7}', 2, 10.0, False, 1),
        Job(2, POINTS, "retired", "key-3", '{"score": 0.25}', 1, 4.0, False, 0),
    ],
    [Score(7, 1, 5, 7.0, 10.0), Score(6, 2, 5, 0.25, 4.0)],
    [Summary(5, latest=6, highest=7)],
    [StoredFile(1, "file 0.py", DIGEST)],
)


def found(
    *,
    entries: list[Entry] = ENTRIES,
    wanted: list[Wanted] | None = None,
    standstills: list[Standstill] | None = None,
    loop_deaths: list[float] | None = None,
    **tables: list[object],
) -> list[tuple[str, str]]:
    sent = [OLDER, NEWER] if wanted is None else wanted
    evidence = Evidence(
        sent,
        entries,
        replace(TABLES, **tables),  # type: ignore[arg-type]
        lease=2.0,
        standstills=standstills or [],
        loop_deaths=loop_deaths or [],
    )
    return [(one.sort, one.sentence) for one in disagreements(evidence)]


def test_clean_evidence_passes() -> None:
    assert found() == []


def test_a_submission_whose_answer_was_lost_may_exist_or_not() -> None:
    doubtful = replace(NEWER, submission_id=None)
    assert found(wanted=[OLDER, doubtful, replace(doubtful, answer="c")]) == []


POISON = Wanted("poison c", POINTS, "learner", "item", 1, 0, submission_id=3)
POISONED = {
    "wanted": [OLDER, NEWER, POISON],
    "entries": [*ENTRIES, Told(104.0, 3, None)],
    "submissions": [*TABLES.submissions, Submission(3, 5, 3, "poison c", "learner", "item")],
    "jobs": [*TABLES.jobs, Job(3, POINTS, "retired", None, None, 2, 1.0, False, 0)],
}


def test_poison_that_was_given_up_and_retired_is_no_damage() -> None:
    assert found(**POISONED) == []  # type: ignore[arg-type]


def test_a_claim_that_was_taken_back_is_none_of_those_that_poison_bears() -> None:
    patient = replace(POISONED["jobs"][2], pulls=5, taken_back=3)  # type: ignore[index]
    assert found(**POISONED | {"jobs": [*TABLES.jobs, patient]}) == []  # type: ignore[arg-type]


DAMAGE: dict[str, tuple[Callable[[], list[tuple[str, str]]], tuple[str, str]]] = {
    "a submission is gone": (
        lambda: found(wanted=[OLDER, NEWER, replace(NEWER, answer="c", submission_id=3)]),
        ("lost", "submission 3 was acknowledged and is not there"),
    ),
    "a submission came twice": (
        lambda: found(submissions=[*TABLES.submissions, replace(TABLES.submissions[0], id=3)]),
        ("double", "the submission 'a' is there 2 times"),
    ),
    "a submission has no job": (
        lambda: found(jobs=[TABLES.jobs[0]]),
        ("lost", "submission 2 has 0 jobs"),
    ),
    "a file is missing": (
        lambda: found(jobs=[replace(TABLES.jobs[0], files=0), TABLES.jobs[1]]),
        ("wrong", "the job of submission 1 is not what was sent"),
    ),
    "a job is not finished": (
        lambda: found(jobs=[TABLES.jobs[0], replace(TABLES.jobs[1], status="pulled", offered=True)]),
        ("lost", "submission 2 is still pulled"),
    ),
    "a score is gone": (
        lambda: found(scores=[TABLES.scores[1]], summaries=[Summary(5, 6, 6)]),
        ("lost", "submission 1 is retired without a score"),
    ),
    "a score came twice": (
        lambda: found(scores=[*TABLES.scores, replace(TABLES.scores[0], id=8)]),
        ("double", "submission 1 has 2 scores"),
    ),
    "an acknowledged result was replaced": (
        lambda: found(jobs=[replace(TABLES.jobs[0], reply='{"score": 1}', key="key-1"), TABLES.jobs[1]]),
        ("lost", "1.0/1 was acknowledged: '{\"score\": 0.7}', but stored is '{\"score\": 1}'"),
    ),
    "two results were acknowledged": (
        lambda: found(entries=[*ENTRIES[:4], Answered("0.0/1", 102.6, 200, 0, ""), *ENTRIES[5:]]),
        ("double", "submission 1: 2 results were acknowledged"),
    ),
    "nobody sent what is stored": (
        lambda: found(entries=ENTRIES[:-1]),
        ("wrong", "no grader sent what submission 2 has"),
    ),
    "the points are wrong": (
        lambda: found(scores=[replace(TABLES.scores[0], earned=0.7), TABLES.scores[1]]),
        ("wrong", "submission 1: 0.7 of 10.0, not 7.0 of 10.0"),
    ),
    "a key was handed out twice": (
        lambda: found(entries=[*ENTRIES, replace(THIRD, asked=110.0, at=110.1)]),
        ("double", "the key key-3... was handed out 2 times"),
    ),
    "a claim was not committed": (
        lambda: found(jobs=[replace(TABLES.jobs[0], pulls=1), TABLES.jobs[1]]),
        ("wrong", "submission 1 was delivered 2 times, claimed 1 times"),
    ),
    "two held one job": (
        lambda: found(entries=[FIRST, replace(SECOND, asked=100.4, at=100.5), *ENTRIES[2:]]),
        ("double", "submission 1 was held by two"),
    ),
    "an older attempt is the latest": (
        lambda: found(summaries=[Summary(5, latest=7, highest=7)]),
        ("wrong", "student item 5: the latest score is not the newest attempt's"),
    ),
    "the best score is not the highest": (
        lambda: found(summaries=[Summary(5, latest=6, highest=6)]),
        ("wrong", "student item 5: the highest score is"),
    ),
    "a wrong key was good enough": (
        lambda: found(
            entries=[*ENTRIES, Sent("9", 104.0, "wrong key", 1, "k", "{}", None), Answered("9", 104.1, 200, 0, "")]
        ),
        ("wrong", "9 (wrong key) was answered 200 ''"),
    ),
    "poison was tried too often": (
        lambda: found(**POISONED | {"jobs": [*TABLES.jobs, replace(POISONED["jobs"][2], pulls=3)]}),  # type: ignore
        ("wrong", "submission 3 is poison and was claimed 3 times, not 2"),
    ),
    "poison was scored": (
        lambda: found(**POISONED | {"scores": [*TABLES.scores, Score(8, 3, 5, 1.0, 1.0)]}),  # type: ignore
        ("wrong", "submission 3 is poison and has a score"),
    ),
    "a score was never told": (
        lambda: found(entries=[entry for entry in ENTRIES if entry != Told(103.6, 2, 0.25)]),
        ("lost", "nobody was told how submission 2 ended"),
    ),
    "the end of poison was never told": (
        lambda: found(**POISONED | {"entries": ENTRIES}),  # type: ignore
        ("lost", "nobody was told how submission 3 ended"),
    ),
    "another score was told": (
        lambda: found(entries=[*ENTRIES, Told(104.0, 2, 4.0)]),
        ("wrong", "submission 2 has {0.25}, and {4.0} was told"),
    ),
    "a result of nothing was told": (
        lambda: found(entries=[*ENTRIES, Told(104.0, 9, 4.0)]),
        ("wrong", "a result of submission 9 was told, which is not there"),
    ),
    "a score was told again after the platform had acknowledged it": (
        lambda: found(entries=[*ENTRIES, Told(140.0, 2, 0.25)]),
        ("double", "the score of submission 2 was told again after it was acknowledged"),
    ),
    "a stored file is another one": (
        lambda: found(files=[StoredFile(1, "file 0.py", "0" * 64)]),
        ("wrong", "submission 1 has another file 'file 0.py'"),
    ),
    "a stored file is gone": (
        lambda: found(files=[StoredFile(1, "file 0.py", "")]),
        ("lost", "submission 1 has lost its file 'file 0.py'"),
    ),
    "a grader fetched other bytes": (
        lambda: found(entries=[*ENTRIES, Fetched("1.0", 102.4, 1, "file 0.py", "0" * 64)]),
        ("wrong", "submission 1: Fetched("),
    ),
    "jobs were given to graders that had hung up": (
        lambda: found(standstills=[Standstill(102.0, 1, frozenset({"key-1", "k1", "k2", "k3", "k4"}))]),
        ("wrong", "after a standstill 4 jobs were held by graders that had hung up"),
    ),
    "a login was refused": (
        lambda: found(entries=[*ENTRIES, Noticed(104.0, "login", 401)]),
        ("wrong", "login: answered 401 while the database was there"),
    ),
    "the service failed with its database up": (
        lambda: found(entries=[*ENTRIES, Noticed(104.0, "poll", 500)]),
        ("wrong", "poll: answered 500 while the database was there"),
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found(damage: str) -> None:
    look, (sort, words) = DAMAGE[damage]
    assert [sentence for kind, sentence in look() if kind == sort and sentence.startswith(words)]


def test_failures_while_the_database_is_away_are_no_damage() -> None:
    failed: list[Entry] = [*ENTRIES, Noticed(104.0, "poll", 500)]
    evidence = Evidence([OLDER, NEWER], failed, TABLES, lease=2.0, outages=[(101.0, 103.0)])
    assert disagreements(evidence) == []


def test_a_score_may_be_told_again_where_the_loop_died_before_it_had_written_that_down() -> None:
    assert found(entries=[*ENTRIES, Told(140.0, 2, 0.25)], loop_deaths=[104.0]) == []


def test_an_answer_that_was_lost_as_everything_went_on_is_no_damage() -> None:
    held = frozenset({"key-1", "k1", "k2", "k3"})
    assert found(standstills=[Standstill(102.0, 1, held)]) == []


README = Path(__file__).with_name("README.md").read_text()


def first_cells(heading: str) -> list[str]:
    below = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [cell.strip("` ") for cell in re.findall(r"^\| ([^|]+)\|", below, re.MULTILINE)[2:]]


def test_the_page_has_each_rule_and_each_fault() -> None:
    assert first_cells("What is asked") == [rule.__name__ for rule in RULES]
    planned = {*SERVICE_FAULTS, *DATABASE_FAULTS, UPGRADE, TWO, GAVE_UP}
    told = {fault.strip() for cell in first_cells("The faults") for fault in cell.split(", ")}
    assert told == planned | {"drop an answer", "cut an answer in two", "several files and their bytes"}


def test_the_same_seed_plans_the_same_faults() -> None:
    assert plan(7, 60, DATABASE_FAULTS) == plan(7, 60, DATABASE_FAULTS)
    assert plan(7, 60, DATABASE_FAULTS) != plan(8, 60, DATABASE_FAULTS)


def test_a_database_that_is_not_ours_is_left_alone() -> None:
    assert not [fault for fault in plan(7, 600, []) if fault.what in DATABASE_FAULTS]


def test_a_long_run_has_every_kind_of_fault() -> None:
    planned = {fault.what for fault in plan(7, 180, DATABASE_FAULTS)}
    assert planned == {*SERVICE_FAULTS, *DATABASE_FAULTS}
