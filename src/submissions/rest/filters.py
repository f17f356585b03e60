"""How submissions are chosen: by what they stand for, where they stand, and when they came."""

from __future__ import annotations

from datetime import UTC, datetime

import django_filters
from django.db.models import QuerySet
from django.http import QueryDict

from submissions import sql
from submissions.models import ExternalGraderDetail
from submissions.rest import states
from submissions.rest.fields import flat
from submissions.rest.paging import PARAMETERS
from submissions.rest.problems import invalid

Job = ExternalGraderDetail

VIEW, MINIMAL = "view", "minimal"


class ExactFilter(django_filters.CharFilter):  # type: ignore[misc]  # it has no types
    def filter(self, rows: QuerySet[Job], text: str) -> QuerySet[Job]:
        return sql.exactly(rows, **{self.field_name: text}) if text else rows


class SubmissionFilter(django_filters.FilterSet):  # type: ignore[misc]  # it has no types
    """Each walks an index of its own."""

    status = django_filters.ChoiceFilter(choices=[(word, word) for word in states.WORDS], method="_in_state")
    queue_name = ExactFilter(max_length=128)
    course_id = ExactFilter(field_name="submission__student_item__course_id", max_length=255)
    item_id = ExactFilter(field_name="submission__student_item__item_id", max_length=255)
    learner_id = ExactFilter(field_name="submission__student_item__student_id", max_length=255)
    reference = ExactFilter(field_name="queue_key", max_length=128, strip=False)
    created_after = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")
    ordering = django_filters.ChoiceFilter(
        choices=[("created_at", "oldest first"), ("-created_at", "newest first")], method="_leave"
    )
    view = django_filters.ChoiceFilter(choices=[(MINIMAL, "uuid and status alone")], method="_leave")

    class Meta:
        model = Job
        fields: tuple[str, ...] = ()

    def _in_state(self, rows: QuerySet[Job], _: str, word: str) -> QuerySet[Job]:
        return rows.filter(states.jobs_in(word))

    def _leave(self, rows: QuerySet[Job], _: str, word: str) -> QuerySet[Job]:
        """No question of which rows."""
        return rows


PARAMETERS_OF_LIST = (*SubmissionFilter.base_filters, *PARAMETERS)


def chosen(rows: QuerySet[Job], query: QueryDict) -> QuerySet[Job]:
    """Raises Problem."""
    found = SubmissionFilter(query, queryset=rows)
    if not found.is_valid():
        raise invalid(flat(dict(found.errors)))
    for name in ("created_after", "created_before"):
        _require_possible(name, found.form.cleaned_data[name])
    matching: QuerySet[Job] = found.qs
    return matching


def _require_possible(name: str, time: datetime | None) -> None:
    """Raises Problem for a time that is none in UTC."""
    try:
        if time is not None:
            time.astimezone(UTC)
    except (OverflowError, ValueError):
        raise invalid({name: ["Must be a time between the years 1 and 9999."]}) from None
