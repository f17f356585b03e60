"""Access: staff with Django's view permission see everything, observers their queues, others nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404
from django.utils.crypto import salted_hmac

from submissions.activity import Actor
from submissions.models import Door, ExternalGraderDetail, GraderQueue
from submissions.operators import Move
from submissions.statistics.jobs_list import Scope

VIEW = "submissions.view_externalgraderdetail"


def pseudonym(student_id: str) -> str:
    """What observers see in place of a learner's id."""
    return f"student-{salted_hmac('gradequeue.dashboard.student', student_id, algorithm='sha256').hexdigest()[:8]}"


@dataclass(frozen=True)
class Viewer:
    """A user with access to the dashboard."""

    user: User
    everything: bool
    """Sees every queue and students' ids. Otherwise an observer, who sees pseudonyms and changes nothing."""

    @property
    def actor(self) -> Actor:
        return Actor(self.user.get_username(), Door.DASHBOARD)

    def queues(self) -> QuerySet[GraderQueue]:
        """The queues that this user sees, by name."""
        queues = GraderQueue.objects.order_by("name")
        return queues if self.everything else queues.filter(observers=self.user)

    def queue(self, pk: int) -> GraderQueue:
        """Raises Http404, the same for a hidden queue and for one that does not exist."""
        queue = self.queues().filter(pk=pk).first()
        if queue is None:
            raise Http404
        return queue

    def jobs(self) -> QuerySet[ExternalGraderDetail]:
        """The jobs that this user sees, without the default order, which would sort them all."""
        jobs = ExternalGraderDetail.objects.order_by()
        return jobs if self.everything else jobs.filter(queue_name__in=self.queues().order_by().values("name"))

    def student(self, student_id: str) -> str:
        """The id for staff; for observers a short pseudonym, the same on every page for one secret key."""
        return student_id if self.everything else pseudonym(student_id)

    @cached_property
    def scope(self) -> Scope:
        """What this user may find."""
        names = None if self.everything else list(self.queues().values_list("name", flat=True))
        return Scope(names, pseudonym)

    def may(self, move: Move) -> bool:
        return self.everything and bool(self.user.has_perm(f"submissions.{move.permission}"))

    @property
    def sees_settings(self) -> bool:
        """Whether the admin shows this user the settings of queues."""
        return self.everything and any(
            self.user.has_perm(f"submissions.{what}_graderqueue") for what in ("view", "change")
        )

    def require(self, move: Move) -> None:
        """Raises PermissionDenied."""
        if not self.may(move):
            raise PermissionDenied


def viewer_of(user: User) -> Viewer | None:
    """None for a user without access. `user` is logged in."""
    if user.is_staff and user.has_perm(VIEW):
        return Viewer(user, everything=True)
    if GraderQueue.objects.filter(observers=user).exists():
        return Viewer(user, everything=False)
    return None
