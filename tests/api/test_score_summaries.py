from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction

from submissions import api, queue
from submissions.models import (
    ScoreSummary,
)
from tests.api.conftest import item, points, rows, submit

pytestmark = pytest.mark.django_db


def summary() -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Points of the highest and of the latest score."""
    row = ScoreSummary.objects.select_related("highest", "latest").get()
    return tuple((one.points_earned, one.points_possible) for one in (row.highest, row.latest))  # type: ignore[return-value]


def test_the_summary_keeps_the_highest_by_share_and_the_latest() -> None:
    uuid = submit()
    steps = [
        ((0, 0), ((0, 0), (0, 0))),  # hidden: better than nothing
        ((8, 10), ((8, 10), (8, 10))),
        ((4, 4), ((4, 4), (4, 4))),  # all of 4 is more than 8 of 10
        ((5, 10), ((4, 4), (5, 10))),
        ((0, 0), ((4, 4), (0, 0))),
        ((0.5, 0.5), ((4, 4), (0.5, 0.5))),  # as good as the highest: that one stays
    ]
    for (earned, possible), expected in steps:
        api.set_score(uuid, earned, possible)
        assert summary() == expected


def test_a_reset_lowers_the_highest() -> None:
    uuid = submit()
    api.set_score(uuid, 2, 3)
    api.reset_score("Tim", "Demo_Course", "item_one")
    assert summary() == ((0, 0), (0, 0))
    api.set_score(uuid, 1, 3)
    assert summary() == ((1, 3), (1, 3))


def test_a_score_and_its_annotation_and_summary_are_written_together() -> None:
    uuid = submit()
    with transaction.atomic():
        api.set_score(uuid, 1, 2, "Bob")
        transaction.set_rollback(True)
    assert rows() == {"items": 1, "submissions": 1}


def test_a_person_can_override_a_graders_score() -> None:
    job = api.create_external_grader_detail(item(), "print(1)", "q", None, points_possible=10)
    (claimed,) = queue.claim("q", grader="g")
    queue.complete(claimed.submission_id, str(claimed.pullkey), score=0.5, reply='{"score": 0.5}')
    api.set_score(job.submission.uuid, 8, 10, "Bob", "staff_override", "kind")
    assert points(api.get_score(item())) == (8, 10)
    assert summary() == ((8, 10), (8, 10))


def test_the_points_columns_hold_fractions() -> None:
    api.set_score(submit(), 0.5, 1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT points_earned, points_possible FROM submissions_score")
        assert cursor.fetchone() == (0.5, 1.0)
