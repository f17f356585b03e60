"""Results on their way to platforms: list them, send them again, give them up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import QuerySet

from submissions import deliveries
from submissions.activity import Act
from submissions.errors import QueueError
from submissions.management.base import (
    DataCommand,
    Options,
    UsageError,
    explain_nothing,
    ids_from,
    operator,
    parsed_id,
    positive,
    reason,
    refusal_of,
    wanted,
)
from submissions.models import DatabaseNow, Delivery, DeliveryHost, DeliveryState, Transport
from submissions.operators import GIVE_UP, SEND_AGAIN, Move

BATCH = 500
FILTERS = {
    "state": "state",
    "transport": "transport",
    "host": "host",
    "queue": "job__queue_name",
    "submission": "job__submission_id",
}
COLUMNS = ("id", "submission", "transport", "host", "state", "tells", "attempts", "next at", "error")
NAMES = ("id", "transport", "host", "destination", "state", "result", "points", "attempts")
TIMES = ("ready_at", "due_at", "delivered_at", "last_error")


class Command(DataCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="what", required=True, metavar="list | hosts | resend | give-up")
        listing = commands.add_parser("list", help="deliveries, the newest first")
        listing.add_argument("--limit", type=positive, default=100, help="how many (default: %(default)s)")
        hosts = commands.add_parser("hosts", help="hosts that do not answer")
        send_again = commands.add_parser(
            # The older name stays for scripts.
            SEND_AGAIN.name,
            aliases=["retry"],
            help="send again at once: deliveries that were given up, or whose next attempt is still to come",
        )
        give_up = commands.add_parser(GIVE_UP.name, help="send no more")
        for command in (send_again, give_up):
            command.add_argument("ids", nargs="*", metavar="ID", help="ids; else one per line on standard input")
            command.add_argument("--all-matching", action="store_true", help="every one that matches the filters")
            command.add_argument("--reason", type=reason, default="", help="why; kept with who did it")
            command.add_argument("--dry-run", action="store_true", help="only say how many it would touch")
        for command in (listing, send_again, give_up):
            _add_filters(command)
        for command in (listing, hosts, send_again, give_up):
            super().add_arguments(command)

    def handle(self, **options: Any) -> None:
        if options["what"] == "list":
            self._list(options)
        elif options["what"] == "hosts":
            self._hosts(options)
        else:
            self._touch(options)

    def _list(self, options: Options) -> None:
        # Not the header, nor the job's body: of a platform's submissions each may have megabytes.
        read = (*NAMES, *TIMES, "history", "job__submission_id", "job__queue_name")
        found = _matching(options).select_related("job").only(*read).order_by("-pk")
        rows = [_row(delivery) for delivery in found[: options["limit"]]]
        if not rows:
            explain_nothing(options)
        if options["as_json"]:
            for row in rows:
                self.say(row)
        else:
            shown = ("id", "submission_id", "transport", "host", "state", "result", "attempts", "due_at", "last_error")
            self.table(COLUMNS, ([row[name] for name in shown] for row in rows))

    def _hosts(self, options: Options) -> None:
        rows = list(DeliveryHost.objects.order_by("host").values("host", "failures", "held_until", "last_error"))
        if options["as_json"]:
            for row in rows:
                self.say(row)
        else:
            self.table(("host", "failures in a row", "left alone until", "error"), (row.values() for row in rows))

    def _touch(self, options: Options) -> None:
        move = GIVE_UP if options["what"] == GIVE_UP.name else SEND_AGAIN
        many = options["all_matching"]
        if many and options["ids"]:
            raise UsageError("Give ids, or --all-matching, not both.")
        if not many and any(options[name] is not None for name in (*FILTERS, "older_than")):
            raise UsageError("Filters go with --all-matching.")
        if many:
            found = _matching(options).filter(state__in=move.starts_from)
            if move is SEND_AGAIN and not options["state"]:
                # What was delivered already is sent again only where it is asked for.
                found = found.exclude(state=DeliveryState.DELIVERED)
            if move is SEND_AGAIN:
                # News of a failure that is held back for an operator (ADR 0041) is not to be sent *again*.
                found = found.exclude(state=DeliveryState.DUE, attempts=0)
            count, ids = found.count(), map(str, _walk(found))
            if not count:
                explain_nothing(options)
        else:
            given = list(ids_from(options["ids"]))
            count, ids = len(given), map(str, given)
        self.tell(move.will(count))
        if not options["dry_run"]:
            self._touch_each(move, move.by(operator(), options["reason"]), ids, options["as_json"])

    def _touch_each(self, move: Move, act: Act, ids: Iterator[str], as_json: bool) -> None:
        counts = {True: 0, False: 0}
        for text in ids:
            row = _apply(move, act, text)
            counts["error" not in row] += 1
            if as_json:
                self.say(row)
            elif "error" in row:
                self.tell(refusal_of(text, row))
        self.tell(f"{counts[True]} {move.done}, {counts[False]} refused.")
        if counts[False]:
            raise SystemExit(1)


def _matching(options: Options) -> QuerySet[Delivery]:
    values = {field: options[name] for name, field in FILTERS.items() if options[name] is not None}
    found = Delivery.objects.filter(**values)
    if options["older_than"]:
        found = found.filter(ready_at__lte=DatabaseNow() - timedelta(seconds=options["older_than"]))
    return found


def _walk(found: QuerySet[Delivery]) -> Iterator[int]:
    """Ids in batches: constant memory, and no cursor held open while the rows change under it."""
    last = 0
    while batch := list(found.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        last = batch[-1]
        yield from batch


def _row(delivery: Delivery) -> dict[str, object]:
    return {
        "submission_id": delivery.job.submission_id,
        "queue_name": delivery.job.queue_name,
        **{name: getattr(delivery, name) for name in (*NAMES, *TIMES)},
        "history": [
            {"at": one.at, "outcome": one.outcome, "error": one.error} for one in deliveries.attempts_of(delivery)
        ],
    }


def _apply(move: Move, act: Act, text: str) -> dict[str, object]:
    try:
        number = parsed_id(text)
    except ValueError:
        return {"id": text, "error": f"{text[:60]!r} is not the id of a delivery"}
    try:
        row = move.run(number, act)
    except QueueError as refusal:
        return {"id": number, "error": str(refusal)}
    return {"id": row.pk, "state": str(getattr(row, move.state))}


def _add_filters(command: CommandParser) -> None:
    filters = command.add_argument_group("filters")
    filters.add_argument("--state", choices=DeliveryState.values, help="in this state")
    filters.add_argument("--transport", choices=Transport.values, help="by this transport")
    filters.add_argument("--host", type=wanted, help="to this host")
    filters.add_argument("--queue", type=wanted, help="of jobs in this queue")
    filters.add_argument("--submission", type=positive, help="of this submission")
    filters.add_argument("--older-than", type=positive, metavar="SECONDS", help="due for at least so long")
