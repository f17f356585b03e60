"""What the words mean that people look for, and that nobody learns what is not theirs."""

from __future__ import annotations

import pytest

from submissions.models import ExternalGraderDetail, GraderQueue
from submissions.statistics import find
from submissions.statistics.find import Answer
from submissions.statistics.jobs_list import Filters, Scope
from tests.make import make
from tests.queue.jobs import claim_one

pytestmark = pytest.mark.django_db

LEARNER = "0123456789abcdef0123456789abcdef"


def pseudonym(learner: str) -> str:
    return f"student-{sum(map(ord, learner)):08x}"


@pytest.fixture
def job() -> ExternalGraderDetail:
    for name in ("cs201-java", "cs201-python"):
        GraderQueue.objects.create(name=name)
    job = make("cs201-java", student="s17", item="block-v1:edX+CS201+type@problem+block@stack", grader_file_name="g.py")
    make("two words", student=LEARNER, item="other")
    claim_one("cs201-java", "gpu-02")
    return ExternalGraderDetail.objects.select_related("submission").get(pk=job.pk)


def test_each_kind_is_found_as_it_is_shown(job: ExternalGraderDetail) -> None:
    number, uuid = job.submission_id, job.submission.uuid
    one = Filters(submission=number)
    for text in (str(number), f"#{number}", f"Submission {number}", str(uuid), uuid.hex, str(uuid).upper()):
        assert find.find(text).filters == one, text
    assert find.find("cs201-java").only("queue") == "cs201-java"
    assert find.find(" two  words ").only("queue") == "two words"
    assert find.find("CS201-JAVA").only("queue") == "cs201-java"
    assert find.find("gpu-02").only("grader") == "gpu-02"
    assert find.find("s17").filters == Filters(learner="s17")
    assert find.find("S17").filters == Filters(learner="s17")
    assert find.find(LEARNER).filters == Filters(learner=LEARNER)
    assert find.find("learner s17").filters == Filters(learner="s17")
    assert find.find("block-v1:edX+CS201+type@problem+block@stack").filters == Filters(
        item="block-v1:edX+CS201+type@problem+block@stack"
    )
    assert find.find("g.py").filters == Filters(file="g.py")
    assert find.find("c").filters == Filters(course="c")


def test_the_platforms_own_name_is_found(job: ExternalGraderDetail) -> None:
    ExternalGraderDetail.objects.filter(pk=job.pk).update(queue_key="attempt-9")
    assert find.find("attempt-9").filters == Filters(reference="attempt-9")


def test_further_words_narrow(job: ExternalGraderDetail) -> None:
    assert find.find("s17 cs201-java").filters == Filters(learner="s17", queue="cs201-java")
    assert find.find("S17 CS201-JAVA").filters == Filters(learner="s17", queue="cs201-java")
    assert find.find("s17 pulled").filters == Filters(learner="s17", state="grading")
    assert find.find("s17 failed") == Answer("s17 failed", understood=(("s17", "learner"), ("failed", "state")))
    answer = find.find("s17 nonsense")
    assert (answer.filters, answer.unknown, answer.understood) == (None, "nonsense", (("s17", "learner"),))


@pytest.mark.parametrize(
    ("text", "kind"), [("s17 s18", "learner"), ("cs201-java cs201-python", "queue"), ("waiting grading", "state")]
)
def test_no_job_is_that_of_two_of_a_kind(job: ExternalGraderDetail, text: str, kind: str) -> None:
    make("cs201-python", student="s18")
    one, other = text.split()
    assert find.find(text) == Answer(text, understood=((one, kind), (other, kind)))


def test_a_state_by_itself_is_the_list_of_its_jobs(job: ExternalGraderDetail) -> None:
    assert find.find("Failed") == Answer("Failed", Filters(state="failed"), understood=(("Failed", "state"),))
    assert find.find("waiting jobs").filters == Filters(state="waiting")
    make("failed")
    assert find.find("failed").only("queue") == "failed"


def test_a_part_of_a_name_is_offered_and_taken_where_it_means_one(job: ExternalGraderDetail) -> None:
    answer = find.find("cs201")
    assert [(one.kind, one.name) for one in answer.choices] == [("queue", "cs201-java"), ("queue", "cs201-python")]
    assert find.find("201-jav").only("queue") == "cs201-java"
    assert find.find("01234567…").filters == Filters(learner=LEARNER)
    assert find.find("block-v1:edX").filters == Filters(item="block-v1:edX+CS201+type@problem+block@stack")
    assert [one.name for one in find.find("gpu").choices] == []
    assert find.find("gpu").only("grader") == "gpu-02"


@pytest.mark.parametrize("text", ["", "  ", "nothing", "a\0b", "\ud800", "x" * 600, "9" * 40, "%", "_", "s1%", "a‮b"])
def test_what_nobody_is_called_is_told(job: ExternalGraderDetail, text: str) -> None:
    answer = find.find(text)
    assert (answer.filters, answer.choices) == (None, ())


def test_who_sees_some_queues_finds_nothing_of_the_others_nor_that_it_is_there(job: ExternalGraderDetail) -> None:
    shown = Scope(["two words"], pseudonym)
    hidden = (str(job.submission_id), str(job.submission.uuid), "cs201-java", "cs201", "gpu-02", "s17", "g.py")
    for text in (*hidden, "block-v1:edX+CS201+type@problem+block@stack", "block-v1", pseudonym("s17"), LEARNER[:8]):
        answer = find.find(text, shown)
        assert answer == Answer(text, unknown=text), text
    assert find.find(LEARNER, shown).filters == Filters(learner=LEARNER)
    assert find.find(pseudonym(LEARNER), shown).filters == Filters(learner=pseudonym(LEARNER))
    assert find.find("two words", shown).only("queue") == "two words"
    assert find.find("other", shown).filters == Filters(item="other")
    assert find.find("s17 two", shown).filters is None


def test_an_empty_scope_finds_nothing(job: ExternalGraderDetail) -> None:
    for text in ("s17", "cs201-java", str(job.submission_id), "c"):
        assert find.find(text, Scope([], pseudonym)) == Answer(text, unknown=text)
