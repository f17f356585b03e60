"""A list of rows whose cost does not grow with the table: no COUNT, no sorting but along an index (ADR 0061)."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import InvalidPage, Paginator
from django.db.models import Model, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.utils.translation import gettext

MOST = 500
"""How many rows a list can be paged through; beyond that, a filter is needed."""


class AtLeast(int):
    """A lower bound; shown as ``500 or more``."""

    def __str__(self) -> str:
        return gettext("%(count)s or more") % {"count": int(self)}

    __repr__ = __str__


class BoundedList(ChangeList):
    model_admin: Any
    """Reads the ids of the first MOST rows, in the order of an index, and then the rows of one page."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Model]) -> list[str | Combinable]:
        """Always the admin's own: a column without an index would be sorted in memory."""
        return list(self.model_admin.get_ordering(request))

    def get_results(self, request: HttpRequest) -> None:
        ids = self.model_admin.first_ids(request, self.queryset, MOST + 1)
        self.paginator = Paginator(ids[:MOST], self.list_per_page)
        there_may_be_more = len(ids) > MOST or getattr(request, "is_sample", False)
        self.result_count = AtLeast(min(len(ids), MOST)) if there_may_be_more else len(ids)
        self.show_full_result_count = False
        self.full_result_count = None
        self.show_admin_actions = True
        self.can_show_all = len(ids) <= self.list_max_show_all
        self.multi_page = len(ids) > self.list_per_page
        shown = ids[:MOST] if self.show_all and self.can_show_all else self._page(ids)
        self.result_list = self.model_admin.rows(shown)

    def _page(self, ids: list[int]) -> list[int]:
        try:
            return list(self.paginator.page(self.page_num).object_list) if ids else []
        except InvalidPage as error:
            raise IncorrectLookupParameters from error
