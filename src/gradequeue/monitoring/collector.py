"""The numbers of all queues in Prometheus' words.

Counters come from the tables, so they are the same from each process and go on after a restart (ADR 0080, 0081).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Count as Number
from django.db.models import Q
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector as Base

from gradequeue.monitoring.health import outbox_age
from submissions.conf import conf
from submissions.models import DatabaseNow, Delivery, DeliveryState, GraderSighting, Tally
from submissions.statistics import depths, history, standing
from submissions.statistics.histogram import Histogram
from submissions.statistics.rollup import watermark

# A grader that was not seen for longer is no longer expected.
EXPECTED = timedelta(days=1)


class Collector(Base):
    def collect(self) -> Iterator[Metric]:
        yield from _states()
        yield from _totals()
        yield from _graders()
        yield from _outbox()
        yield _single(
            CounterMetricFamily("gradequeue_logins_refused", "Logins with a wrong name, password or group."),
            Tally.objects.value_of("logins:refused"),
        )
        if (mark := watermark()) is not None:
            yield _single(
                GaugeMetricFamily(
                    "gradequeue_counted_until_timestamp_seconds", "Up to where events are rolled up by minutes."
                ),
                mark.until.timestamp(),
            )


def _states() -> Iterator[Metric]:
    states = GaugeMetricFamily("gradequeue_submissions", "Unfinished jobs.", labels=["queue", "state"])
    oldest = GaugeMetricFamily(
        "gradequeue_oldest_waiting_seconds", "For how long the next job could have been taken.", labels=["queue"]
    )
    paused = GaugeMetricFamily("gradequeue_queue_paused", "1 while a queue is paused.", labels=["queue"])
    polled = GaugeMetricFamily(
        "gradequeue_last_polled_timestamp_seconds", "When a grader last asked for a job.", labels=["queue"]
    )
    for queue in standing.queues():
        name = queue.queue_name
        numbers = (queue.waiting, queue.being_graded, queue.retry, queue.failed)
        for state, number in zip(depths.STATES, numbers, strict=True):
            states.add_metric([name, state], number)
        oldest.add_metric([name], queue.oldest_waiting_seconds or 0)
        paused.add_metric([name], int(queue.paused))
        if queue.last_polled_at is not None:
            polled.add_metric([name], queue.last_polled_at.timestamp())
    yield from (states, oldest, paused, polled)


# Name, what it says, and where each outcome stands in `statistics.history.Count`; without an outcome, the number.
COUNTERS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("enqueued", "Jobs that came in.", {"": "arrived"}),
    (
        "claims",
        "Claims that ended.",
        {"scored": "completed", "failed": "claims_failed", "lost": "claims_lost", "released": "claims_released"},
    ),
    ("results", "Results of graders.", {"scored": "completed", "failed": "claims_failed"}),
    ("lease_expired", "Leases that ran out.", {"": "claims_lost"}),
    ("dead_lettered", "Jobs that were given up after too many failures.", {"": "failed"}),
)


def _totals() -> Iterator[Metric]:
    totals = sorted(history.totals().items())
    for name, text, outcomes in COUNTERS:
        labels = ["queue"] if "" in outcomes else ["queue", "outcome"]
        counter = CounterMetricFamily(f"gradequeue_{name}", text, labels=labels)
        for queue_name, total in totals:
            for outcome, column in outcomes.items():
                counter.add_metric([queue_name, *filter(None, [outcome])], getattr(total, column))
        yield counter
    waits = HistogramMetricFamily(
        "gradequeue_wait_seconds", "From a job's arrival to the claim that scored it.", labels=["queue"]
    )
    gradings = HistogramMetricFamily("gradequeue_grade_seconds", "From the claim to the score.", labels=["queue"])
    for queue_name, total in totals:
        _add(waits, queue_name, total.waits)
        _add(gradings, queue_name, total.gradings)
    yield from (waits, gradings)


def _add(family: HistogramMetricFamily, queue_name: str, histogram: Histogram) -> None:
    buckets = [("+Inf" if bound is None else str(float(bound)), count) for bound, count in histogram.cumulative()]
    family.add_metric([queue_name], buckets, sum_value=round(histogram.sum, 3))


def _graders() -> Iterator[Metric]:
    family = GaugeMetricFamily(
        "gradequeue_workers", "Graders' accounts that polled within the last day.", labels=["queue", "health"]
    )
    lately = Q(seen_at__gte=DatabaseNow() - timedelta(seconds=conf.SILENCE_SECONDS))
    seen = GraderSighting.objects.filter(seen_at__gte=DatabaseNow() - EXPECTED).order_by()
    by_queue = seen.values_list("queue__name").annotate(live=Number("pk", filter=lately), all=Number("pk"))
    for name, live, everybody in by_queue:
        family.add_metric([name, "live"], live)
        family.add_metric([name, "silent"], everybody - live)
    yield family


def _outbox() -> Iterator[Metric]:
    due = Delivery.objects.filter(state=DeliveryState.DUE).order_by()
    yield _single(
        GaugeMetricFamily("gradequeue_outbox_pending", "Results that are to be sent; 10000 stands for more."),
        due.values("pk")[: depths.MOST].count(),
    )
    yield _single(
        GaugeMetricFamily("gradequeue_outbox_oldest_seconds", "For how long the oldest could have been sent."),
        outbox_age() or 0,
    )
    deliveries = CounterMetricFamily(
        "gradequeue_deliveries", "Attempts to send a result.", labels=["transport", "outcome"]
    )
    for name, value in Tally.objects.beginning_with("deliveries:"):
        transport, _, outcome = name.partition(":")
        deliveries.add_metric([transport, outcome], value)
    yield deliveries


def _single(family: CounterMetricFamily | GaugeMetricFamily, value: float) -> Metric:
    family.add_metric([], value)
    return family
