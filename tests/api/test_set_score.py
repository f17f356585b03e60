from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from submissions import api
from submissions.models import (
    Score,
    ScoreAnnotation,
    Submission,
    score_set,
)
from tests.api.conftest import Heard, item, points, rows, submit

pytestmark = pytest.mark.django_db


UNKNOWN = "deadbeef-1234-5678-9100-1234deadbeef"


@pytest.mark.parametrize("kind", [str, UUID])
def test_a_score_is_set_and_found(kind: Any) -> None:
    uuid = submit()
    assert api.set_score(kind(uuid), 11, 12) is None
    row = Score.objects.get()
    submission = Submission.objects.get()
    expected = {
        "student_item": submission.student_item_id,
        "submission": submission.pk,
        "points_earned": 11,
        "points_possible": 12,
        "created_at": row.created_at,
        "submission_uuid": uuid,
        "annotations": [],
    }
    assert api.get_score(item()) == expected
    assert api.get_latest_score_for_submission(uuid) == expected
    assert not ScoreAnnotation.objects.exists()


@pytest.mark.parametrize(
    ("earned", "possible", "expected"),
    [
        (0.5, 1, (0.5, 1)),
        (0.1, 0.3, (0.1, 0.3)),
        (7.0, 10.0, (7, 10)),
        (0, 5, (0, 5)),
        (0.0, 5, (0, 5)),
        (12, 10, (12, 10)),
        ("7", "10", (7, 10)),
        (2**53, 2**53, (2**53, 2**53)),
    ],
)
def test_fractions_are_kept_and_whole_numbers_come_out_as_int(
    earned: Any, possible: Any, expected: tuple[Any, Any]
) -> None:
    uuid = submit()
    api.set_score(uuid, earned, possible)
    for score in (
        api.get_score(item()),
        api.get_latest_score_for_submission(uuid),
        api.get_scores("Demo_Course", "Tim")["item_one"],
    ):
        assert points(score) == expected
        assert [type(one) for one in points(score)] == [type(one) for one in expected]
    row = Score.objects.get()
    assert (row.points_earned, row.points_possible) == expected
    assert [type(one) for one in (row.points_earned, row.points_possible)] == [type(one) for one in expected]


BAD_POINTS: list[Any] = [
    -1,
    -0.5,
    None,
    "",
    "many",
    True,
    float("nan"),
    float("inf"),
    -float("inf"),
    [1],
    {},
    10**400,
    "nan",
]


@pytest.mark.parametrize("bad", BAD_POINTS, ids=lambda bad: repr(bad)[:20])
@pytest.mark.parametrize("where", ["earned", "possible"])
def test_points_that_are_no_number_at_0_or_above_are_refused(where: str, bad: Any, heard: Heard) -> None:
    uuid, sent = submit(), heard(score_set)
    with pytest.raises(api.SubmissionInternalError):
        api.set_score(uuid, *((bad, 1) if where == "earned" else (1, bad)))
    assert (Score.objects.count(), sent) == (0, [])


@pytest.mark.parametrize("uuid", [UNKNOWN, UUID(UNKNOWN), 20], ids=str)
def test_a_submission_that_is_not_there_gets_no_score(uuid: Any) -> None:
    with pytest.raises(api.SubmissionNotFoundError):
        api.set_score(uuid, 1, 2)
    assert rows() == {}


def test_the_signal_tells_what_was_given(heard: Heard) -> None:
    uuid, sent = submit(), heard(score_set)
    api.set_score(uuid, 11, 12)
    assert sent == [
        {
            "sender": None,
            "points_possible": 12,
            "points_earned": 11,
            "anonymous_user_id": "Tim",
            "course_id": "Demo_Course",
            "item_id": "item_one",
            "created_at": Score.objects.get().created_at,
        }
    ]


def test_a_receiver_that_raises_is_heard_and_undoes_nothing() -> None:
    uuid = submit()

    def broken(**_: Any) -> None:
        raise RuntimeError("the platform is down")

    score_set.connect(broken)
    try:
        with pytest.raises(RuntimeError, match="the platform is down"):
            api.set_score(uuid, 1, 2)
    finally:
        score_set.disconnect(broken)
    assert points(api.get_score(item())) == (1, 2)


@pytest.mark.parametrize("reason", ["First score was incorrect", "☃ \U0001f40d"])
def test_a_score_can_be_annotated(reason: str) -> None:
    uuid = submit()
    api.set_score(uuid, 11, 12, "Bob", "staff_override", reason)
    row = ScoreAnnotation.objects.get()
    assert (row.score.points_earned, row.creator, row.annotation_type, row.reason) == (
        11,
        "Bob",
        "staff_override",
        reason,
    )
    score = api.get_score(item())
    assert score is not None
    assert score["annotations"] == [{"creator": "Bob", "reason": reason, "annotation_type": "staff_override"}]


def test_an_annotation_needs_no_type_and_no_reason() -> None:
    uuid = submit()
    api.set_score(uuid, 1, 2, "Bob")
    score = api.get_latest_score_for_submission(uuid)
    assert score is not None
    assert score["annotations"] == [{"creator": "Bob", "reason": "", "annotation_type": ""}]


def test_without_a_creator_nothing_is_annotated() -> None:
    api.set_score(submit(), 1, 2, None, "staff_override", "because")
    assert not ScoreAnnotation.objects.exists()


@pytest.mark.parametrize(
    "annotation", [("Bob\0", "t", "r"), ("Bob", "t\0", "r"), ("Bob", "t", "r\ud800"), ("B" * 256, "t", "r")], ids=ascii
)
def test_an_annotation_that_cannot_be_kept_leaves_no_score(annotation: tuple[str, str, str]) -> None:
    uuid = submit()
    with pytest.raises(api.SubmissionRequestError):
        api.set_score(uuid, 1, 2, *annotation)
    assert Score.objects.count() == 0
