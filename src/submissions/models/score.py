from __future__ import annotations

import math
from typing import Any

from django.db import IntegrityError, models, router, transaction
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from submissions.errors import Overtaken
from submissions.models.fields import AnonymizedUserIDField, PointsField
from submissions.models.student_item import StudentItem
from submissions.models.submission import Submission
from submissions.models.table import Table


class Score(Table):
    """What a learner scored for an item at one time; never changed afterwards. Points, not a share."""

    student_item = models.ForeignKey(StudentItem, on_delete=models.CASCADE)
    submission = models.ForeignKey(Submission, null=True, on_delete=models.CASCADE)
    points_earned = PointsField(default=0)
    points_possible = PointsField(default=0)
    created_at = models.DateTimeField(editable=False, default=now, db_index=True)
    # Scores older than the newest row with this flag no longer count.
    reset = models.BooleanField(verbose_name=_("reset"), default=False)

    # Not a column. Graders' results come in any order; what a person or platform sets is always the latest.
    keeps_order_of_attempts = False

    class Meta:
        app_label = "submissions"
        verbose_name = _("score")
        verbose_name_plural = _("scores")

    def __str__(self) -> str:
        return f"{self.points_earned}/{self.points_possible}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the summary in step with the score, in one transaction."""
        with transaction.atomic(using=kwargs.get("using") or router.db_for_write(Score, instance=self)):
            super().save(*args, **kwargs)
            _keep_in_step(self)

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


class ScoreSummary(Table):
    """The highest and the latest score of a learner for an item."""

    student_item = models.OneToOneField(StudentItem, on_delete=models.CASCADE)
    highest = models.ForeignKey(Score, verbose_name=_("highest"), related_name="+", on_delete=models.CASCADE)
    latest = models.ForeignKey(Score, verbose_name=_("latest"), related_name="+", on_delete=models.CASCADE)

    class Meta:
        app_label = "submissions"
        verbose_name = _("score summary")
        verbose_name_plural = _("Score Summaries")

    def __str__(self) -> str:
        return f"latest {self.latest}, highest {self.highest}"

    @staticmethod
    def update_score_summary(sender: object, instance: Score, **_: object) -> None:
        """Bring the summary in step with `instance`, a score that is in the table: for who wrote it past `save`.

        Shaped as a receiver of post_save, as edx-submissions has it. Not connected: `Score.save` does this itself.
        """
        with transaction.atomic(using=instance._state.db):
            _keep_in_step(instance)

    def take_in(self, score: Score) -> None:
        """Let `score` be the latest, and the highest if it is; do not save."""
        if not (score.keeps_order_of_attempts and self._has_newer_latest(score)):
            self.latest = score
        best = self.highest
        if score.reset or is_better(
            score.points_earned, score.points_possible, best.points_earned, best.points_possible
        ):
            self.highest = score

    def _has_newer_latest(self, score: Score) -> bool:
        if score.submission is None or self.latest.submission is None:
            return False
        return is_older_attempt(_order(score.submission), _order(self.latest.submission))


def is_older_attempt(order: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether an attempt, known by its number and its submission's id, comes before the other."""
    return order < other


def is_better(earned: float, possible: float, best_earned: float | None, best_possible: float | None) -> bool:
    """Whether a score is a larger share of its points than the best one so far; hidden scores (out of 0) are none."""
    if not possible:
        return False
    if best_earned is None or not best_possible:
        return True
    share, best = earned / possible, best_earned / best_possible
    # 0.1 + 0.2 of 1 is no more than 3 of 10.
    return share > best and not math.isclose(share, best, rel_tol=1e-9)


def _order(submission: Submission) -> tuple[int, int]:
    return (submission.attempt_number, submission.pk)


def _keep_in_step(score: Score) -> None:
    # Hardly ever are there two scores of one learner and item at once, so the first look takes no lock. A second one
    # must: under REPEATABLE READ a plain look would show the same old row forever.
    if not _take_in(score, lock=False):
        while not _take_in(score, lock=True):
            continue


def _take_in(score: Score, *, lock: bool) -> bool:
    """One look and one conditional write; False where somebody was faster."""
    summaries = ScoreSummary.objects.filter(student_item_id=score.student_item_id)
    if lock:
        seen = summaries.select_for_update().first()
    else:
        seen = summaries.select_related("latest__submission", "highest").defer("latest__submission__answer").first()
    if seen is None:
        return _make_first(score)
    before = {"latest_id": seen.latest_id, "highest_id": seen.highest_id}
    try:
        seen.take_in(score)
    except Score.DoesNotExist as error:
        # REPEATABLE READ on MariaDB: the lock sees the newest summary, and nothing else that was made meanwhile.
        raise Overtaken("The summary names a score that this transaction cannot see.") from error
    return bool(summaries.filter(**before).update(latest=seen.latest_id, highest=seen.highest_id))


def _make_first(score: Score) -> bool:
    """Two first scores at once meet at the unique index; False for the second one."""
    try:
        with transaction.atomic(using=score._state.db):
            ScoreSummary.objects.create(student_item_id=score.student_item_id, highest=score, latest=score)
    except IntegrityError:
        return False
    return True


class ScoreAnnotation(Table):
    """Why a score is what it is, where a person decided it."""

    score = models.ForeignKey(Score, verbose_name=_("score"), on_delete=models.CASCADE)
    annotation_type = models.CharField(verbose_name=_("annotation type"), max_length=255, db_index=True)
    creator = AnonymizedUserIDField(verbose_name=_("creator"))
    reason = models.TextField(verbose_name=_("reason"))

    class Meta:
        app_label = "submissions"
        verbose_name = _("score annotation")
        verbose_name_plural = _("score annotations")

    def __str__(self) -> str:
        return f"{self.annotation_type} by {self.creator}"
