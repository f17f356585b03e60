import pytest

from submissions import api, queue
from tests.make import make

pytestmark = pytest.mark.django_db


def test_a_job_goes_from_enqueue_to_a_score() -> None:
    job = make(student="s", points_possible=10)
    (claimed,) = queue.claim("q", grader="g")
    queue.complete(claimed.submission_id, str(claimed.pullkey), score=0.7, reply='{"score": 0.7}')
    score = api.get_score({"student_id": "s", "course_id": "c", "item_id": "item", "item_type": "problem"})
    assert score is not None
    assert (score["points_earned"], score["points_possible"], score["submission_uuid"]) == (
        7,
        10,
        str(job.submission.uuid),
    )
    assert type(score["points_earned"]) is int
