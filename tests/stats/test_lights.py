"""What an operator is told, word for word."""

from __future__ import annotations

from datetime import timedelta

import pytest

from submissions.statistics.lights import Facts, Light, Undelivered, light

pytestmark = pytest.mark.once

HERE = timedelta(seconds=3)
POINTS = (
    "this grader seems to send points, where a share of them (0 to 1) is expected: in the admin set the queue's "
    "score_meaning to points"
)
INCOMPLETE = "replies without msg or correct: platforms refuse such, so they are told what is missing (docs/graders.md)"


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
            Facts(silent=HERE, after_lease=12, takes=25, lease=20, graded_lately=12),
            "amber",
            ["12 results came after their lease; the lease is 20 s, results take 25 s"],
        ),
        (
            Facts(silent=HERE, after_lease=1, takes=310.5, lease=300),
            "amber",
            ["1 result came after its lease; the lease is 300 s, results take 310.5 s"],
        ),
        (
            Facts(silent=HERE, after_lease=1, takes=310, lease=300, graded_lately=20),
            "green",
            ["No jobs waiting; graders are polling"],
        ),
        (
            Facts(silent=HERE, sends_points=True, incomplete=True),
            "amber",
            [POINTS, INCOMPLETE],
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
        (
            Facts(silent=HERE, late=(Undelivered("lms.example.org", 2, "Connection refused"), Undelivered("", 1, ""))),
            "amber",
            [
                "2 results are overdue for delivery to lms.example.org: Connection refused",
                "1 result is overdue for delivery to this platform: not tried yet",
            ],
        ),
        (
            Facts(waiting=3, silent=minutes(9), failed=1, late=(Undelivered("a.b", 1, "HTTP 500"),)),
            "red",
            [
                "3 jobs waiting; no grader has polled for 9 min",
                "1 failed job needs an operator",
                "1 result is overdue for delivery to a.b: HTTP 500",
            ],
        ),
    ],
)
def test_the_light_and_its_causes(facts: Facts, colour: str, causes: list[str]) -> None:
    assert light(facts) == Light(colour, tuple(causes))
