"""The list of jobs: order, filters, searches, and how much each page asks."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from submissions import queue
from submissions.admin import bounded, job_list
from submissions.models import ExternalGraderDetail as Job
from submissions.models import GraderQueue, Submission
from tests.admin.conftest import LIST, Login, address, listed, page_of, text
from tests.make import make
from tests.queue.jobs import claim_one, key_of, later

pytestmark = pytest.mark.django_db


def many(count: int, queue_name: str = "q", **fields: Any) -> list[Job]:
    return [make(queue_name, student=f"student-{i}", **fields) for i in range(count)]


def failed(queue_name: str = "q", **fields: Any) -> Job:
    """A job that its first failure ended."""
    GraderQueue.objects.update_or_create(name=queue_name, defaults={"max_failures": 1})
    job = make(queue_name, **fields)
    Job.objects.filter(queue_name=queue_name, status="pending").exclude(pk=job.pk).update(available_at=None)
    return queue.fail(job.submission_id, key_of(claim_one(queue_name)), reason="It broke.")


def test_what_changed_last_comes_first(root: Client) -> None:
    first, second, third = many(3)
    later(60, pk__in=[second.pk, third.pk])
    later(60, pk=third.pk)
    assert listed(root.get(LIST)) == [job.submission_id for job in (first, second, third)]


def test_a_header_cannot_ask_for_another_order(root: Client) -> None:
    first, second = many(2)
    later(60, pk=second.pk)
    assert (
        listed(root.get(LIST, {"o": "1"}))
        == listed(root.get(LIST, {"o": "-1"}))
        == [
            first.submission_id,
            second.submission_id,
        ]
    )


def test_a_row_says_whose_it_is(root: Client) -> None:
    make(student="anna", item="problem-1")
    shown = text(root.get(LIST))
    assert "anna c problem-1" in shown
    assert "Pending" in shown
    assert "ago" in shown


def test_a_job_of_a_deleted_submission_is_listed(root: Client) -> None:
    job = make()
    Submission._objects.filter(pk=job.submission_id).update(status="D")
    assert listed(root.get(LIST)) == [job.submission_id]
    assert "deleted" in text(root.get(page_of(job)))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["a", "b", "c"]),
        ({"status__exact": "failed"}, ["c"]),
        ({"status__exact": "pending"}, ["a", "b"]),
        ({"queue_name": "q"}, ["a", "c"]),
        ({"queue_name": "p", "status__exact": "pending"}, ["b"]),
        ({"queue_name": "nowhere"}, []),
        ({"queue_name": "\0"}, []),
        ({"failures": "1"}, ["c"]),
        ({"failures": "0"}, ["a", "b"]),
        ({"failures": "3"}, []),
        ({"failures": "x"}, ["a", "b", "c"]),
        ({"changed": "1h"}, ["a", "b", "c"]),
        ({"created": "10min"}, ["a", "c"]),
        ({"created": "7d", "status__exact": "failed"}, ["c"]),
    ],
)
def test_filters(root: Client, query: dict[str, str], found: list[str]) -> None:
    jobs = {"a": make("q"), "b": make("p"), "c": failed("q")}
    Job.objects.filter(pk=jobs["b"].pk).update(created_at=jobs["b"].created_at.replace(year=2020))
    names = {job.submission_id: name for name, job in jobs.items()}
    assert sorted(names[pk] for pk in listed(root.get(LIST, query))) == found


def test_a_filter_by_status_reads_each_queue_and_puts_them_into_one_order(root: Client) -> None:
    jobs = [make(f"queue-{i % 3}") for i in range(9)]
    for age, job in enumerate(jobs):
        later(60 * age, pk=job.pk)
    assert listed(root.get(LIST, {"status__exact": "pending"})) == [job.submission_id for job in jobs]
    assert listed(root.get(LIST, {"queue_name": "queue-1"})) == [jobs[i].submission_id for i in (1, 4, 7)]


def test_pages(root: Client) -> None:
    ids = [job.submission_id for job in many(60)][::-1]
    assert listed(root.get(LIST)) == ids[:50]
    assert listed(root.get(LIST, {"p": "2"})) == ids[50:]
    assert "60 external grader details" in text(root.get(LIST))
    assert root.get(LIST, {"p": "9"}).status_code == 302


def test_nothing_is_counted_beyond_a_thousand(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MOST", 55)
    many(60)
    shown = text(root.get(LIST))
    assert "55 or more external grader details" in shown
    assert "Select all 55 or more" in shown
    assert len(listed(root.get(LIST, {"p": "2"}))) == 5


# Searches. ------------------------------------------------------------------------------------------------------------


def one(**fields: Any) -> Job:
    learner = {"student": "d41d8cd98f00b204e9800998ecf8427e", "course": "course-v1:X+Y+Z", "item": "problem@1"}
    others = {"queue_name": "python", "queue_key": "attempt 7", "grader_file_name": "ps1/grade.py"}
    return make(**{**learner, **others, **fields})


@pytest.mark.parametrize(
    ("term", "what"),
    [
        ("python", "queue"),
        ("attempt 7", "queue key"),
        ("ps1/grade.py", "grader file"),
        ("d41d8cd98f00b204e9800998ecf8427e", "student"),
        ("course-v1:X+Y+Z", "course"),
        ("problem@1", "item"),
        ("  python ", "queue"),
    ],
)
def test_a_term_is_found_by_its_shape(root: Client, term: str, what: str) -> None:
    make("elsewhere")
    job = one()
    response = root.get(LIST, {"q": term})
    assert listed(response) == [job.submission_id]
    assert f"found by {what} {term.strip()}" in text(response)


def test_an_id_and_a_uuid(root: Client) -> None:
    make("elsewhere")
    job = one()
    uuid = Submission.objects.get(pk=job.submission_id).uuid
    for term in (str(job.submission_id), str(uuid), uuid.hex, str(uuid).upper()):
        assert listed(root.get(LIST, {"q": term})) == [job.submission_id]


@pytest.mark.parametrize(
    "term",
    [
        "pyth",
        "PYTHON ",
        "attempt",
        "%",
        "_",
        "' OR 1=1 --",
        "99999999999999999999",
        "0",
        "ü" * 300,
        "-",
    ],
)
def test_what_is_not_exactly_there_is_not_found(root: Client, term: str) -> None:
    one(queue_name="q")
    assert listed(root.get(LIST, {"q": term})) == []


@pytest.mark.parametrize("most", [1, 1000])
@pytest.mark.parametrize("name", ["student", "course", "item", "queue_key", "grader_file_name"])
def test_a_name_in_capital_letters_is_another_one(
    root: Client, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    # MySQL takes them for equal, and what is done to the list would be done to both.
    monkeypatch.setattr("submissions.admin.terms.MOST_ITEMS", most)
    ids: dict[str, list[int]] = {"Ada": [], "ada": []}
    for number, spelled in enumerate(("Ada", "ada", "Ada", "ada")):
        others = {"student": f"s{number}", "course": f"c{number}", "item": f"i{number}"}
        ids[spelled].append(one(**others | {name: spelled}).submission_id)
    assert listed(root.get(LIST, {"q": "ada", "status__exact": "pending"})) == ids["ada"][::-1]


def test_a_number_can_also_be_a_name(root: Client) -> None:
    job = one(queue_key="123456")
    assert listed(root.get(LIST, {"q": "123456"})) == [job.submission_id]


def test_a_search_and_a_filter_go_together(root: Client) -> None:
    job, other = one(), one(queue_key="attempt 8")
    queue.retire(other.submission_id)
    assert listed(root.get(LIST, {"q": "course-v1:X+Y+Z", "status__exact": "pending"})) == [job.submission_id]


def test_a_course_with_more_items_than_are_handed_over(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("submissions.admin.terms.MOST_ITEMS", 2)
    ids = {job.submission_id for job in many(4)}
    response = root.get(LIST, {"q": "c"})
    assert listed(response) == sorted(ids)[:0:-1]
    assert "found by course c, the newest of many" in text(response)
    assert "3 or more external grader details" in text(response)
    # A filter leads to all of them.
    assert set(listed(root.get(LIST, {"q": "c", "status__exact": "pending"}))) == ids
    assert set(listed(root.get(LIST, {"q": "c", "queue_name": "q", "status__exact": "pending"}))) == ids


def test_a_key_finds_its_job_for_superusers_alone(root: Client, login: Login) -> None:
    make("q")
    held = claim_one()
    key = key_of(held)
    assert listed(root.get(LIST, {"q": key})) == [held.submission_id]
    assert listed(root.get(LIST, {"q": key[:-1]})) == []
    assert listed(login("view_externalgraderdetail").get(LIST, {"q": key})) == []


def test_the_key_of_what_was_finished_lately(root: Client) -> None:
    make("q")
    held = claim_one()
    queue.complete(held.submission_id, key_of(held), score=1, reply="{}")
    assert listed(root.get(LIST, {"q": key_of(held)})) == [held.submission_id]


def test_a_key_is_shown_to_nobody(root: Client) -> None:
    make("q")
    held = claim_one()
    for page in (root.get(LIST), root.get(page_of(held))):
        assert key_of(held) not in page.content.decode()


# Cost. ----------------------------------------------------------------------------------------------------------------


def statements(client: Client, url: str, **query: str) -> list[str]:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert client.get(url, query).status_code == 200
    return [statement["sql"] for statement in asked]


QUERIES = [
    ({}, 7),
    ({"status__exact": "pending"}, 8),
    ({"queue_name": "q"}, 7),
    ({"queue_name": "q", "status__exact": "pending"}, 7),
    ({"q": "q"}, 9),
    ({"q": "student-1"}, 12),
]


@pytest.mark.parametrize(("query", "most"), QUERIES)
def test_a_list_asks_as_much_for_many_as_for_few(root: Client, query: dict[str, str], most: int) -> None:
    many(3)
    root.get(LIST)  # content types and sites are remembered from the first time on
    few = statements(root, LIST, **query)
    many(57)
    asked = statements(root, LIST, **query)
    assert len(asked) == len(few) <= most, "\n".join(asked)
    assert not any("COUNT(" in sql or "DISTINCT" in sql or "LIKE" in sql for sql in asked)


def test_answers_and_replies_are_not_read_for_a_list(root: Client) -> None:
    many(1)
    asked = " ".join(statements(root, LIST))
    for column in ("raw_answer", "grader_reply", "pullkey", '"pulls"', "grader_payload"):
        assert column not in asked


def test_a_page_of_a_job_asks_as_much_for_many_as_for_few(root: Client) -> None:
    job = make("q", files={"a.txt": "1"})
    root.get(page_of(job))
    few = statements(root, page_of(job))
    many(20)
    assert len(statements(root, page_of(job))) == len(few) <= 15, "\n".join(few)


def test_too_many_queues_for_one_statement(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_list, "MOST_RANGES", 2)
    ids = [make(f"queue-{i}").submission_id for i in range(4)]
    assert sorted(listed(root.get(LIST, {"status__exact": "pending"}))) == ids


def test_other_lists(root: Client) -> None:
    job = make("q", student="anna")
    for model in ("submission", "score", "scoresummary", "studentitem", "delivery", "submissionfile", "teamsubmission"):
        for query in ({}, {"q": "anna"}, {"q": str(job.submission_id)}, {"q": "0"}, {"q": "nobody"}, {"q": "\0"}):
            assert root.get(address(model), query).status_code == 200
    assert [row.pk for row in root.get(address("submission"), {"q": "anna"}).context["cl"].result_list] == [
        job.submission_id
    ]


# Searching further, and filters by name. ------------------------------------------------------------------------------


def test_a_part_of_a_name_and_several_words_are_found(root: Client) -> None:
    one = make("cs201-java", student="s17")
    make("cs201-java", student="s18")
    assert "found by queue cs201-java" in text(root.get(LIST, {"q": "cs201-ja"}))
    narrowed = text(root.get(LIST, {"q": "cs201-java s17"}))
    assert "found by queue cs201-java, learner s17" in narrowed
    assert f"{one.submission_id}" in narrowed
    assert "s18" not in narrowed
    assert 'No match for "nobody"' in text(root.get(LIST, {"q": "nobody"}))
    assert "it may be learner s17, learner s18" in text(root.get(LIST, {"q": "s1"}))


def test_jobs_are_filtered_by_grader_and_course(root: Client) -> None:
    make("q", student="ada")
    queue.claim("q", grader="g-01")
    make("q", student="bob")
    queue.claim("q", grader="g-02")
    found = text(root.get(LIST, {"grader": "g-01"}))
    assert "ada" in found
    assert "bob" not in found
    assert "ada" in text(root.get(LIST, {"course": "c"}))
    assert "0 external grader details" in text(root.get(LIST, {"course": "d"}))
    for wrong in ("x" * 256, "\0"):
        assert root.get(LIST, {"grader": wrong, "queue_name": wrong}).status_code == 200


def test_however_many_queues_there_are_the_filter_is_one_field(root: Client) -> None:
    GraderQueue.objects.bulk_create(GraderQueue(name=f"queue-{number:02}") for number in range(61))
    body = root.get(LIST, {"status__exact": "failed"}).content.decode()
    assert body.count('<option value="queue-') == 61
    assert '<input type="hidden" name="status__exact" value="failed">' in body
    assert "?queue_name=" not in body
