"""Results on their way out: which destination was told, which one refuses."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from submissions.admin import display
from submissions.admin.actions import Working
from submissions.admin.base import ReadOnly, may
from submissions.admin.terms import Id, Text, Uuid
from submissions.deliveries import attempts_of
from submissions.models import Delivery, OperatorMove
from submissions.operators import SEND_AGAIN, Move


@admin.register(Delivery)
class DeliveryAdmin(Working, ReadOnly):
    list_display = ("submission", "where", "badge", "attempts", "when", "last_error")
    list_filter = ("state",)
    list_select_related = ("job",)
    routes = {"job__submission__id": Id, "job__submission__uuid": Uuid, "job__queue_key": Text}
    search_help_text = _("Exactly: a submission's id or uuid, a queue key")
    fieldsets = (
        (None, {"fields": ("job_link", "transport", "destination", "badge", "told")}),
        (_("Attempts"), {"fields": ("attempts", "due", "delivered", "last_error", "history_table")}),
    )
    actions = ("resend",)
    moves: ClassVar[dict[str, Move]] = {"resend": SEND_AGAIN}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return Delivery.objects.select_related("job")

    def get_ordering(self, request: HttpRequest) -> list[str | Combinable]:
        # With a state, along the index that begins with it.
        return ["-due_at", "-id"] if request.GET.get("state__exact") else ["-id"]

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return may(request, SEND_AGAIN.permission)

    @admin.action(description=SEND_AGAIN.label, permissions=["resend"])
    def resend(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse | None:
        return self.work(request, queryset, SEND_AGAIN)

    def moved(self, row: Delivery) -> QuerySet[OperatorMove]:
        return OperatorMove.objects.filter(jobs__submission_id=row.job.submission_id, jobs__delivery_id=row.pk)

    @admin.display(description=_("Submission"))
    def submission(self, row: Delivery) -> int:
        return row.job.submission_id

    @admin.display(description=_("Job"))
    def job_link(self, row: Delivery) -> str:
        return self.page(row.job)

    @admin.display(description=_("Transport, host"))
    def where(self, row: Delivery) -> str:
        return display.lines([row.get_transport_display(), row.host])

    @admin.display(description=_("When"))
    def when(self, row: Delivery) -> str:
        return display.moment_short(row.delivered_at or row.due_at)

    @admin.display(description=_("History"))
    def history_table(self, row: Delivery) -> str:
        rows = ((display.outcome(one.outcome), display.moment(one.at), one.error) for one in reversed(attempts_of(row)))
        return display.table(gettext("History"), (gettext("Outcome"), gettext("When"), gettext("Error")), rows)

    @admin.display(description=_("State"))
    def badge(self, row: Delivery) -> str:
        return display.badge(row.state, row.get_state_display())

    @admin.display(description=_("Tells"))
    def told(self, row: Delivery) -> str:
        return row.get_result_display()

    @admin.display(description=_("Due"))
    def due(self, row: Delivery) -> str:
        return display.moment(row.due_at)

    @admin.display(description=_("Delivered"))
    def delivered(self, row: Delivery) -> str:
        return display.moment(row.delivered_at)
