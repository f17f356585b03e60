"""What an operator is told, word for word."""

from __future__ import annotations

from datetime import timedelta

import pytest

from submissions.statistics.lights import Facts, Light, Undelivered, light

pytestmark = pytest.mark.once

HERE = timedelta(seconds=3)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


@pytest.mark.parametrize(
    ("facts", "colour", "causes"),
    [
        (Facts(), "green", ["No jobs waiting; no grader has polled yet"]),
        (Facts(silent=HERE), "green", ["No jobs waiting; graders are polling"]),
        (Facts(silent=minutes(30)), "green", ["No jobs waiting; no grader has polled for 30 min"]),
        (Facts(waiting=1, silent=HERE, oldest=HERE), "green", ["1 job waiting; graders are polling"]),
        (Facts(waiting=42, silent=minutes(2)), "green", ["42 jobs waiting; graders are polling"]),
        (Facts(waiting=42, silent=minutes(9)), "red", ["42 jobs waiting; no grader has polled for 9 min"]),
        (Facts(waiting=1, silent=minutes(156)), "red", ["1 job waiting; no grader has polled for 2 h 36 min"]),
        (Facts(waiting=1234), "red", ["1,234 jobs waiting; no grader has ever polled"]),
        (Facts(waiting=2, paused=True), "amber", ["2 jobs waiting; the queue is paused"]),
        (
            Facts(waiting=400, silent=HERE, oldest=minutes(25)),
            "amber",
            ["400 jobs waiting, the oldest for 25 min: submissions arrive faster than they are graded"],
        ),
        (Facts(failed=1, silent=HERE), "amber", ["1 failed job needs an operator"]),
        (
            Facts(failed=82, failed_lately=11, graded_lately=7, silent=HERE),
            "red",
            [
                "11 jobs failed in the last hour, 7 graded",
                "82 failed jobs need an operator",
            ],
        ),
        (
            Facts(failed=3, failed_lately=3, graded_lately=900, silent=HERE),
            "amber",
            ["3 failed jobs need an operator"],
        ),
        (
            Facts(silent=HERE, lost={"mit-03": 7, "mit-04": 2}),
            "amber",
            ["7 leases of grader mit-03 expired in the last 10 min"],
        ),
        (
            Facts(silent=HERE, undelivered=(Undelivered("lms.example.org", 5, "TLS handshake failed"),)),
            "red",
            ["5 results could not be delivered to lms.example.org: TLS handshake failed"],
        ),
        (
            Facts(silent=HERE, undelivered=(Undelivered("", 1, ""),)),
            "red",
            ["1 result could not be delivered to this platform: no reason given"],
        ),
        (Facts(silent=HERE, late=2), "amber", ["2 results are overdue for delivery"]),
        (
            Facts(waiting=3, silent=minutes(9), failed=1, late=1),
            "red",
            [
                "3 jobs waiting; no grader has polled for 9 min",
                "1 failed job needs an operator",
                "1 result is overdue for delivery",
            ],
        ),
    ],
)
def test_the_light_and_its_causes(facts: Facts, colour: str, causes: list[str]) -> None:
    assert light(facts) == Light(colour, tuple(causes))
