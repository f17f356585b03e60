"""Taking a learner out: answers, files and replies go, scores stay under a pseudonym (ADR 0084).

In small transactions; what breaks off half-way is finished by the same command again: a file goes before the row that
names it.
"""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import Generator, Iterator

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils.encoding import force_bytes

from submissions import queue, sql
from submissions.api.caching import forget
from submissions.errors import NotAllowed, UnknownJob
from submissions.models import ClaimNote, Delivery, ExternalGraderDetail, Score, StudentItem, Submission, SubmissionFile
from submissions.queue.transactions import in_transaction
from submissions.upkeep.removal import BATCH, Removed, remove_files

Job = ExternalGraderDetail

# What a learner wrote or what is said of them, in a job. `pulls` and `last_error` repeat what their program printed.
EMPTIED = (
    "body",
    "file_links",
    "grader_payload",
    "grader_reply",
    "last_error",
    "long_queue_key",
    "pulls",
    "queue_key",
    "result",
    "student_info",
)
RETIRED_PREFIX = "retired__user_"
LEARNER_RETIRED = "The learner was retired."


def pseudonym(student_id: str) -> str:
    """By Open edX' convention for retired names: the same each time, and no way back without the secret key."""
    digest = hmac.new(force_bytes(settings.SECRET_KEY), b"retired\0" + student_id.encode("utf-8", "replace"), "sha256")
    return f"{RETIRED_PREFIX}{digest.hexdigest()[:40]}"


def about(student_id: str) -> Removed:
    """What `retire_student` would touch."""
    items = _items_of(student_id)
    submissions = Submission._objects.filter(student_item__in=items)
    jobs = Job.objects.filter(submission__student_item__in=items)
    return Removed(
        jobs=jobs.count(),
        files=SubmissionFile.objects.filter(external_grader__in=jobs).count(),
        deliveries=Delivery.objects.filter(job__in=jobs).count(),
        items=items.count(),
        submissions=submissions.count(),
    )


def retire_student(student_id: str) -> Generator[Removed, None, None]:
    """Take the learner out: a pseudonym in place of the id; answers, files and replies are removed; scores stay.

    Unfinished jobs are retired without a score. Afterwards the id is unknown; to repeat it does no harm.
    """
    yield from _rename(student_id)
    last = 0
    renamed = StudentItem.objects.filter(student_id__startswith=pseudonym(student_id))
    attempts = Submission._objects.filter(student_item__in=renamed).order_by("pk")
    while pks := list(attempts.filter(pk__gt=last).values_list("pk", flat=True)[:BATCH]):
        for pk in pks:
            _end_job(pk)
            yield _empty(pk)
        last = pks[-1]


def _rename(student_id: str) -> Iterator[Removed]:
    name = pseudonym(student_id)
    while items := _exactly(student_id)[:BATCH]:
        for item in StudentItem.objects.filter(pk__in=items):
            same = StudentItem.objects.filter(student_id=name, course_id=item.course_id, item_id=item.item_id)
            # Who came back after an earlier retirement has the item twice.
            item.student_id = f"{name}_{item.pk}" if same.exists() else name
            item.save(update_fields=["student_id"])
            forget(items=[item.pk])
            yield Removed(items=1)


def _items_of(student_id: str) -> QuerySet[StudentItem]:
    # Also what an earlier run that broke off has renamed already.
    return StudentItem.objects.filter(Q(pk__in=_exactly(student_id)) | Q(student_id__startswith=pseudonym(student_id)))


def _exactly(student_id: str) -> list[int]:
    items = sql.exactly(StudentItem.objects.all(), student_id=student_id)
    return list(items.order_by("pk").values_list("pk", flat=True))


def _end_job(submission_id: int) -> None:
    with contextlib.suppress(NotAllowed, UnknownJob):  # finished already, or never a job
        queue.retire(submission_id, LEARNER_RETIRED)


@in_transaction
def _empty(submission_id: int) -> Removed:
    submission = Submission._objects.select_for_update().get(pk=submission_id)
    removed = Removed(submissions=int(submission.answer != ""))
    submission.answer = ""
    submission.save(update_fields=["answer"])
    jobs = list(Job.objects.filter(submission_id=submission_id).values_list("pk", flat=True))
    removed.jobs, removed.files = len(jobs), remove_files(jobs)
    removed.deliveries = Delivery.objects.filter(job_id__in=jobs).delete()[0]
    scored = Score.objects.filter(submission_id=submission_id).exists()
    # A job without a score needs a reason, also where the old one quoted the learner's program.
    reason = None if scored else LEARNER_RETIRED
    Job.objects.filter(pk__in=jobs).update(**dict.fromkeys(EMPTIED) | {"last_error": reason, "result_digest": ""})
    ClaimNote.objects.filter(job_id__in=jobs).delete()
    forget([submission.uuid])
    return removed
