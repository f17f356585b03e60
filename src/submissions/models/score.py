from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.utils.timezone import now

from submissions.errors import Overtaken
from submissions.models.fields import AnonymizedUserIDField, PointsField
from submissions.models.student_item import StudentItem
from submissions.models.submission import Submission
from submissions.writes import insert, insert_later_or_fail, replace, replace_later_or_fail


class Score(models.Model):
    """What a learner scored for an item at a moment; never changed afterwards. Points, not a share."""

    student_item = models.ForeignKey(StudentItem, on_delete=models.CASCADE)
    submission = models.ForeignKey(Submission, null=True, on_delete=models.CASCADE)
    points_earned = PointsField(default=0)
    points_possible = PointsField(default=0)
    created_at = models.DateTimeField(editable=False, default=now, db_index=True)
    # Scores older than the newest row with this flag no longer count.
    reset = models.BooleanField(default=False)

    # Not a column. Graders' results come in any order; what a person or platform sets is always the latest.
    keeps_order_of_attempts = False
    summary_travels = False
    """Whether its summary is sent with the COMMIT, which fails where somebody was faster. No column, either."""

    class Meta:
        app_label = "submissions"

    def __str__(self) -> str:
        return f"{self.points_earned}/{self.points_possible}"

    @property
    def submission_uuid(self) -> str | None:
        return str(self.submission.uuid) if self.submission is not None else None

    def to_float(self) -> float | None:
        """Share of the points possible; None for a hidden score."""
        return None if self.is_hidden() else float(self.points_earned) / self.points_possible

    def is_hidden(self) -> bool:
        """By convention of edx-submissions, a score out of 0 is not shown."""
        return bool(self.points_possible == 0)

    @classmethod
    def create_reset_score(cls, student_item: StudentItem) -> Score:
        return cls.objects.create(student_item=student_item, reset=True)


class ScoreSummary(models.Model):
    """The highest and the latest score of a learner for an item."""

    student_item = models.OneToOneField(StudentItem, on_delete=models.CASCADE)
    highest = models.ForeignKey(Score, related_name="+", on_delete=models.CASCADE)
    latest = models.ForeignKey(Score, related_name="+", on_delete=models.CASCADE)

    class Meta:
        app_label = "submissions"
        verbose_name_plural = "Score Summaries"

    def __str__(self) -> str:
        return f"latest {self.latest}, highest {self.highest}"

    def take_in(self, score: Score) -> None:
        """Let `score` be the latest, and the highest if it is; do not save."""
        if not (score.keeps_order_of_attempts and _is_of_older_attempt(score, self.latest)):
            self.latest = score
        share, best = score.to_float(), self.highest.to_float()
        if score.reset or (share is not None and (best is None or share > best)):
            self.highest = score


def _is_of_older_attempt(score: Score, other: Score) -> bool:
    if score.submission is None or other.submission is None:
        return False
    return _order(score.submission) < _order(other.submission)


def _order(submission: Submission) -> tuple[int, int]:
    return (submission.attempt_number, submission.pk)


@receiver(post_save, sender=Score)
def update_score_summary(instance: Score, raw: bool = False, **_: Any) -> None:
    """Keep the summary in step with a new score, in the score's own transaction."""
    if raw:
        return
    # Hardly ever are there two scores of one learner and item at once, so the first look takes no lock. A second one
    # must: under REPEATABLE READ a plain look would show the same old row for ever.
    if not _taken_in(instance, lock=False):
        while not _taken_in(instance, lock=True):
            continue


def heard_by_others() -> bool:
    """Whether somebody besides the summary is told of new scores, and may ask for their ids."""
    told = post_save._live_receivers(Score)  # Django has no other way to ask
    return told not in ([update_score_summary], ([update_score_summary], []))


def _taken_in(score: Score, *, lock: bool) -> bool:
    """One look and one conditional write; False where somebody was faster."""
    seen = _summaries(score).select_for_update().first() if lock else _last_seen(score)
    if seen is None:
        # Two first scores at once meet at the unique index, and the second look finds the winner.
        first = ScoreSummary(student_item_id=score.student_item_id, highest=score, latest=score)
        if not score.summary_travels:
            return insert(first, unless_there=True)
        insert_later_or_fail(first)
        return True
    before = (seen.latest_id, seen.highest_id)
    try:
        seen.take_in(score)
    except Score.DoesNotExist as error:
        # REPEATABLE READ on MariaDB: the lock sees the newest summary, and nothing else that was made meanwhile.
        raise Overtaken("The summary names a score that this transaction cannot see.") from error
    if before == (seen.latest_id, seen.highest_id):
        return _summaries(score).filter(latest_id=before[0], highest_id=before[1]).exists()
    if not score.summary_travels:
        return replace(seen, ("latest", "highest"), before)
    replace_later_or_fail(seen, ("latest", "highest"), before)
    return True


def _summaries(score: Score) -> models.QuerySet[ScoreSummary]:
    return ScoreSummary.objects.filter(student_item_id=score.student_item_id)


def _last_seen(score: Score) -> ScoreSummary | None:
    """The summary that came with the student item, if one did; it may be out of date, and the write will tell."""
    came: dict[str, ScoreSummary | None] = score.student_item._state.fields_cache
    if "scoresummary" in came:
        return came["scoresummary"]
    return _summaries(score).select_related("latest__submission", "highest").defer("latest__submission__answer").first()


class ScoreAnnotation(models.Model):
    """Why a score is what it is, where a person decided it."""

    score = models.ForeignKey(Score, on_delete=models.CASCADE)
    annotation_type = models.CharField(max_length=255, db_index=True)
    creator = AnonymizedUserIDField()
    reason = models.TextField()

    class Meta:
        app_label = "submissions"

    def __str__(self) -> str:
        return f"{self.annotation_type} by {self.creator}"
