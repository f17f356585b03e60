"""edx-submissions' report about uploaded files."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from submissions import api
from submissions.models import Submission

pytestmark = pytest.mark.django_db

HEADER = "Course ID\tUsers with Uploaded Files\tTotal Uploaded Bytes\tAverage Upload per User\n"
JANUARY = {"min_date": date(2020, 1, 1), "max_date": date(2020, 1, 31)}


def upload(course: str, student: str, sizes: object, *, day: int = 3, item_type: str = "openassessment") -> None:
    item = {"student_id": student, "course_id": course, "item_id": item_type, "item_type": item_type}
    uuid = api.create_submission(item, {"parts": [], "files_sizes": sizes})["uuid"]
    Submission.objects.filter(uuid=uuid).update(created_at=datetime(2020, 1, day, 23, 59, tzinfo=UTC))


def printed(*words: str, **options: Any) -> tuple[str, str]:
    out, errors = StringIO(), StringIO()
    call_command("analyze_uploaded_file_sizes", *words, stdout=out, stderr=errors, **{**JANUARY, **options})
    return out.getvalue(), errors.getvalue()


def test_each_course_has_its_users_and_bytes() -> None:
    upload("b", "ada", [100, 200])
    upload("b", "ada", [700])
    upload("b", "ben", [1], day=31)
    upload("b", "cem", [])
    upload("a", "ada", [5])
    upload("c", "ada", [])
    upload("d", "ada", "no list")
    upload("d", "ada", [None, "5", {}])
    upload("d", "ada", [5], item_type="problem")
    api.create_submission(
        {"student_id": "eva", "course_id": "d", "item_id": "i", "item_type": "openassessment"}, 'files_sizes": [5]'
    )
    Submission.objects.filter(student_item__student_id="eva").update(created_at=datetime(2020, 1, 3, tzinfo=UTC))
    assert printed() == (HEADER + "a\t1\t5\t5\nb\t2\t1001\t500\n", "")


def test_as_json_there_is_an_object_for_each_course() -> None:
    upload("b", "ada", [100, 200])
    out, _ = printed("--json")
    assert [json.loads(line) for line in out.splitlines()] == [{"course_id": "b", "users": 1, "bytes": 300}]


def test_only_the_days_asked_for_count() -> None:
    upload("b", "ada", [100], day=1)
    upload("b", "ben", [10], day=15)
    upload("b", "cem", [1], day=31)
    assert printed(min_date=date(2020, 1, 2), max_date=date(2020, 1, 30))[0] == HEADER + "b\t1\t10\t10\n"
    words = ("--min_date", "2020-01-15", "--max_date", "2020-01-31")
    out = StringIO()
    call_command("analyze_uploaded_file_sizes", *words, stdout=out)
    assert out.getvalue() == HEADER + "b\t2\t11\t6\n"


def test_without_days_the_last_thirty_count() -> None:
    item = {"student_id": "ada", "course_id": "b", "item_id": "i", "item_type": "openassessment"}
    api.create_submission(item, {"files_sizes": [3]})
    out = StringIO()
    call_command("analyze_uploaded_file_sizes", stdout=out)
    assert out.getvalue() == HEADER + "b\t1\t3\t3\n"


@pytest.mark.parametrize(
    ("first", "last", "sentence"),
    [
        (date(2020, 2, 1), date(2020, 1, 1), "--min_date is after --max_date."),
        (date(2020, 1, 1), date(2020, 4, 1), "at most 90 days"),
    ],
)
def test_days_that_make_no_report_are_refused(first: date, last: date, sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        printed(min_date=first, max_date=last)


def test_what_is_older_than_the_sizes_is_left_out() -> None:
    out, errors = printed(min_date=date(2019, 10, 1), max_date=date(2019, 12, 1))
    assert (out, errors) == (HEADER, "Sizes are known from 2019-11-01 on; what is older is left out.\n")
