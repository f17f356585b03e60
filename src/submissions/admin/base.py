"""What all pages of the admin share: permissions, addresses, and lists that stay fast."""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import SuspiciousOperation
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from submissions.activity import Actor
from submissions.admin import display
from submissions.admin.bounded import BoundedList
from submissions.admin.terms import ITEM_COLUMNS, Term, Text, of_items
from submissions.models import Door
from submissions.text import row_id

Rows: TypeAlias = models.QuerySet[Any]


def may(request: HttpRequest, what: str) -> bool:
    """Whether the user has the permission `what` of this app, as ``view_score``."""
    return bool(request.user.has_perm(f"submissions.{what}"))


def actor_of(request: HttpRequest) -> Actor:
    return Actor(request.user.get_username(), Door.ADMIN)


def may_view(request: HttpRequest, model: type[models.Model]) -> bool:
    """As in Django's admin: the permission to change includes viewing."""
    name = model._meta.model_name
    return may(request, f"view_{name}") or may(request, f"change_{name}")


class Base(admin.ModelAdmin):  # type: ignore[type-arg]
    """Bounded lists, exact searches, and only superusers delete."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 200
    sortable_by: ClassVar[tuple[str, ...]] = ()
    ordering: ClassVar[tuple[str, ...]] = ("-id",)
    # Django shows a search box where there is something; `routes` decides what is searched.
    search_fields: ClassVar[tuple[str, ...]] = ("=pk",)
    routes: ClassVar[dict[str, type[Term]]] = {}
    path_to_item: ClassVar[str | None] = None
    """For searches by student, course or item: the path to the student item, or ""."""
    belongs_to: ClassVar[dict[str, type[models.Model]]] = {}
    """Fields that show rows of another table."""

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["submissions/admin.css"]}
        js: ClassVar[list[str]] = ["submissions/times.js", "submissions/labels.js"]

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def lookup_allowed(self, lookup: str, value: object, request: HttpRequest | None = None) -> bool:
        """Only the filters on the page: Django's own rule allows anybody to guess a key, a secret or a reply with
        ``?pullkey__startswith=``, and to scan the table for it."""
        return lookup in {
            name
            for one in self.list_filter
            for name in ([f"{one}__exact"] if isinstance(one, str) else [getattr(one, "parameter_name", "")])
        }

    def response_action(self, request: HttpRequest, queryset: Rows, *args: Any, **kwargs: Any) -> HttpResponse | None:
        """In a forged form, a value that is not an id is a bad request; to Django it is an internal error."""
        for text in request.POST.getlist(ACTION_CHECKBOX_NAME):
            if row_id(text) is None:
                raise SuspiciousOperation("A selected value is not the id of a row.")
        return super().response_action(request, queryset, *args, **kwargs)

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[BoundedList]:
        return BoundedList

    def first_ids(self, request: HttpRequest, queryset: Rows, most: int) -> list[int]:
        """The ids of the first `most` rows of the list. Overridden where one index alone does not give the order."""
        order = self.get_ordering(request)
        sampled = self.sampled(request, getattr(request, "search_sample", None), most)
        return sampled or list(queryset.order_by(*order).values_list("pk", flat=True)[:most])

    def sampled(self, request: HttpRequest, sample: Rows | None, most: int) -> list[int]:
        """Of a search with very many results and no filter: the rows of the newest student items.

        Sorting all results to find the newest rows takes seconds on MariaDB.
        """
        if sample is None or not set(request.GET) <= {"q", "p", "o", "all"}:
            return []
        ids = list(sample.order_by("-id").values_list("pk", flat=True)[:most])
        request.is_sample = bool(ids)  # type: ignore[attr-defined]
        return ids

    def rows(self, ids: list[int]) -> list[Any]:
        """These rows in this order, with what the columns show of other tables."""
        rows = self.model._base_manager.filter(pk__in=ids)
        if self.list_select_related:
            rows = rows.select_related(*self.list_select_related)  # type: ignore[misc]
        found = rows.in_bulk()
        return [found[pk] for pk in ids if pk in found]

    def get_search_results(self, request: HttpRequest, queryset: Rows, search_term: str) -> tuple[Rows, bool]:
        """By the shape of the term, along an index; the first route with a result is used."""
        term = search_term.strip()
        if not term:
            return queryset, False
        for path, kind in self.routes.items():
            value = kind.read(term)
            if value is not None and (found := queryset.filter(**{path: value})).order_by().exists():
                return found, False
        for column in ITEM_COLUMNS if self.path_to_item is not None and Text.read(term) else ():
            if (items := of_items(column, term, at=self.path_to_item or "")) is not None:
                if not items.few:
                    request.search_sample = queryset.filter(**items.newest)  # type: ignore[attr-defined]
                return items.of(queryset), False
        return queryset.none(), False

    def get_fieldsets(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        """Without the fields of tables that the user may not view."""
        hidden = {name for name, model in self.belongs_to.items() if not may_view(request, model)}
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name not in hidden]})
            for title, options in self.fieldsets or ()
        ]

    # Addresses. -------------------------------------------------------------------------------------------------------

    def page(self, obj: models.Model | None, text: object = None) -> str:
        """A link to the page of `obj`, as `text`."""
        if obj is None:
            return display.EMPTY
        return display.link(self.url(type(obj), "change", obj.pk), str(obj) if text is None else text)

    def list_link(self, model: type[models.Model], text: object, **filters: str) -> SafeString:
        """A link to the list of `model` under these filters."""
        return display.link(f"{self.url(model, 'changelist')}?{urlencode(filters)}", text)

    def url(self, model: type[models.Model], what: str, *args: object) -> str:
        name = f"admin:submissions_{model._meta.model_name}_{what}"
        return reverse(name, args=args, current_app=self.admin_site.name)


class ReadOnly(Base):
    """Read-only rows: nobody adds or changes them here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False
