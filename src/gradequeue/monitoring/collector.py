"""The numbers of all queues in Prometheus' words.

Counters come from the tables, so they are the same from each process and go on after a restart (ADR 0080, 0081).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector as Base

from gradequeue.monitoring.health import outbox_age
from submissions.deliveries import Outcome
from submissions.models import Delivery, DeliveryState, Tally, Transport
from submissions.statistics import depths, history, lights, standing
from submissions.statistics.histogram import Histogram
from submissions.statistics.rollup import watermark
from submissions.statistics.standing import Standing

# A grader that was not seen for longer is no longer expected.
EXPECTED = timedelta(days=1)


class Collector(Base):
    def collect(self) -> Iterator[Metric]:
        found = standing.of_all()
        yield from _states(found)
        yield from _totals()
        yield _graders(found)
        yield from _outbox()
        yield _single(
            CounterMetricFamily("gradequeue_logins_refused", "Logins with a wrong name, password or group."),
            Tally.objects.value_of("logins:refused"),
        )
        if (mark := watermark()) is not None:
            yield _single(
                GaugeMetricFamily(
                    "gradequeue_counted_until_timestamp_seconds", "Up to when events are rolled up by minutes."
                ),
                mark.until.timestamp(),
            )


def _states(found: list[Standing]) -> Iterator[Metric]:
    """The gauges of the queues."""
    states = GaugeMetricFamily("gradequeue_submissions", "Unfinished jobs.", labels=["queue", "state"])
    for one in found:
        for state in depths.STATES:
            states.add_metric([one.name, state], getattr(one.count, state))
    yield states
    for name, text, value in GAUGES:
        gauge = GaugeMetricFamily(f"gradequeue_{name}", text, labels=["queue"])
        for one in found:
            if (number := value(one)) is not None:
                gauge.add_metric([one.name], number)
        yield gauge


def _last_polled(one: Standing) -> float | None:
    polled = one.queue.last_polled_at
    return None if polled is None else polled.timestamp()


# Name, what it says, and the number of a queue; None where there is none.
GAUGES: tuple[tuple[str, str, Callable[[Standing], float | None]], ...] = (
    (
        "waiting",
        "Jobs that a grader can get now or later.",
        lambda one: one.waiting,
    ),
    ("being_graded", "Jobs that a grader holds under a lease.", lambda one: one.being_graded),
    ("light", "0 green, 1 amber, 2 red, as on the dashboard.", lambda one: lights.ORDER[::-1].index(one.light.colour)),
    ("oldest_waiting_seconds", "How long the next job has been available.", lambda one: one.oldest_seconds or 0),
    ("queue_paused", "1 while a queue is paused.", lambda one: int(one.queue.paused)),
    ("late_results", "Results of the last hour that came after their lease.", lambda one: one.overran.late),
    ("seems_to_send_points", "1 where scores look like points, not shares.", lambda one: int(one.sends_points)),
    ("last_polled_timestamp_seconds", "When a grader last asked for a job.", _last_polled),
)


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


def _graders(found: list[Standing]) -> Metric:
    family = GaugeMetricFamily(
        "gradequeue_workers", "Graders' accounts that polled within the last day.", labels=["queue", "health"]
    )
    for one in found:
        expected = [grader for grader, seen_at in one.seen if seen_at >= one.now - EXPECTED]
        if expected:
            family.add_metric([one.name, "live"], len(one.active))
            family.add_metric([one.name, "silent"], len(expected) - len(one.active))
    return family


def _outbox() -> Iterator[Metric]:
    due = Delivery.objects.filter(state=DeliveryState.DUE).order_by()
    yield _single(
        GaugeMetricFamily("gradequeue_outbox_pending", "Results that are due; 10000 stands for more."),
        due.values("pk")[: depths.MOST].count(),
    )
    yield _single(
        GaugeMetricFamily("gradequeue_outbox_oldest_seconds", "How long the oldest has been due."),
        outbox_age() or 0,
    )
    deliveries = CounterMetricFamily(
        "gradequeue_deliveries", "Attempts to send a result.", labels=["transport", "outcome"]
    )
    # What a rule asks for is there from the beginning: a counter that begins at 300 has not grown.
    found = {f"{transport}:{Outcome.GIVEN_UP.name.lower()}": 0 for transport in Transport.values}
    for name, value in (found | dict(Tally.objects.beginning_with("deliveries:"))).items():
        transport, _, outcome = name.partition(":")
        deliveries.add_metric([transport, outcome], value)
    yield deliveries


def _single(family: CounterMetricFamily | GaugeMetricFamily, value: float) -> Metric:
    family.add_metric([], value)
    return family
