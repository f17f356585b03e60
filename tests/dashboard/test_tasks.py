"""Each task of a day, done in a real browser: wide, on two phones, without scripts, by keyboard alone; with the number
of presses as an upper bound, from the overview on."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Locator

from tests.dashboard.browser import WATCH
from tests.dashboard.daily import Daily
from tests.dashboard.hand import MODES, Hand, Mode

pytestmark = pytest.mark.once

Do = Callable[[Hand, dict[str, int]], None]


@dataclass(frozen=True)
class Task:
    most: int
    """How many presses it may take."""
    do: Do


TASKS: list[Task] = []


def task(most: int) -> Callable[[Do], Do]:
    def add(do: Do) -> Do:
        TASKS.append(Task(most, do))
        return do

    return add


# The tasks. ---------------------------------------------------------------------------------------------------------


# The first one: the others do so much that it stands on a later page then.
@task(1)
def who_did_it(hand: Hand, ids: dict[str, int]) -> None:
    hand.press(in_the_bar(hand, "Activity"))
    line = hand.page.locator(".acts li").filter(has_text=hand.of("log"))
    hand.sees(line, f"ada retried 1 job in {hand.of('log')}")
    hand.sees(line, "Reason: the disk was full")


@task(2)
def why_has_s17_no_score(hand: Hand, ids: dict[str, int]) -> None:
    hand.find(hand.of("s17"))
    hand.press(row(hand).get_by_role("link"))
    facts = hand.page.locator(".facts")
    hand.sees(facts, re.compile(r"Place in line\s*1 of 1"))
    hand.sees(facts, "Why not yet")
    hand.sees(facts, "1 job waiting; no grader has ever polled")


@task(1)
def find_a_learner(hand: Hand, ids: dict[str, int]) -> None:
    hand.find(hand.of("S17").lower())
    hand.sees(row(hand), hand.of("why"))


@task(1)
def find_a_submission_by_its_id(hand: Hand, ids: dict[str, int]) -> None:
    hand.find(f"#{ids[hand.of('s17')]}")
    hand.sees(heading(hand), f"Submission {ids[hand.of('s17')]}")


@task(2)
def retry_a_cause(hand: Hand, ids: dict[str, int]) -> None:
    hand.queue(hand.of("cause"))
    hand.sees(hand.page.locator("#failed"), "The reply has no score.")
    hand.press(hand.page.get_by_role("button", name="Retry 2 jobs"))
    hand.is_told("2 jobs will be graded again.")


@task(3)
def retry_some_of_a_list(hand: Hand, ids: dict[str, int]) -> None:
    hand.find(f"{hand.of('some')} failed")
    hand.tick(hand.page.get_by_role("checkbox", name=re.compile("^Select submission")).nth(1))
    hand.press(hand.page.get_by_role("button", name="Retry"))
    hand.is_told("1 job will be graded again.")


@task(4)
def retry_all_of_a_list(hand: Hand, ids: dict[str, int]) -> None:
    hand.find(f"{hand.of('many')} failed")
    hand.choose(hand.page.get_by_label("all 3 jobs of this list"))
    hand.press(hand.page.get_by_role("button", name="Retry"))
    hand.sees(heading(hand), "Retry all 3 jobs of this list?")
    hand.press(hand.page.get_by_role("button", name="Retry"))
    hand.is_told("3 jobs will be graded again.")


@task(2)
def send_again_to_a_host(hand: Hand, ids: dict[str, int]) -> None:
    host = deliveries_to(hand, hand.of("dead"))
    hand.sees(host, f"1 result could not be delivered to {hand.of('dead')}.example.org: HTTP 500")
    hand.press(host.get_by_role("button", name="Send again"))
    hand.is_told("1 delivery will be sent again.")


@task(2)
def try_a_host_now(hand: Hand, ids: dict[str, int]) -> None:
    host = deliveries_to(hand, hand.of("slow"))
    hand.press(host.get_by_role("button", name="Try now"))
    hand.is_told(f"1 delivery to {hand.of('slow')}.example.org will be tried now.")


@task(3)
def give_up_what_is_due_to_a_host(hand: Hand, ids: dict[str, int]) -> None:
    host = deliveries_to(hand, hand.of("lost"))
    hand.press(host.locator("summary"))
    hand.write(host.get_by_label("Reason"), "The course is over")
    hand.press(host.get_by_role("button", name="Give up all that is due"))
    hand.is_told(f"1 delivery to {hand.of('lost')}.example.org given up.")


@task(3)
def release_from_a_grader(hand: Hand, ids: dict[str, int]) -> None:
    hand.queue(hand.of("held"))
    leases = hand.page.locator(".scroll[aria-labelledby=leases-title]")
    hand.press(leases.get_by_role("link", name=str(ids[hand.of("held")])))
    hand.press(hand.page.get_by_role("button", name=f"Release from {hand.of('box')}"))
    hand.is_told(f"Submission {ids[hand.of('held')]} released for other graders.")


@task(3)
def pause_and_resume_a_queue(hand: Hand, ids: dict[str, int]) -> None:
    hand.queue(hand.of("pause"))
    hand.press(hand.page.get_by_role("button", name="Pause queue"))
    hand.is_told(f"Queue {hand.of('pause')} paused; graders receive no jobs.")
    hand.press(hand.page.get_by_role("button", name="Resume queue"))
    hand.is_told(f"Queue {hand.of('pause')} resumed.")


@task(3)
def drain_a_grader(hand: Hand, ids: dict[str, int]) -> None:
    grader(hand, hand.of("drain"))
    hand.press(hand.page.get_by_role("button", name="Drain"))
    hand.is_told(f"Grader {hand.of('drain')} gets no further jobs")


@task(3)
def disable_a_grader(hand: Hand, ids: dict[str, int]) -> None:
    grader(hand, hand.of("disable"))
    hand.press(hand.page.get_by_role("button", name="Disable"))
    hand.sees(heading(hand), "disabled")


@task(3)
def change_a_graders_password(hand: Hand, ids: dict[str, int]) -> None:
    grader(hand, hand.of("rotate"))
    hand.press(hand.page.get_by_role("button", name="New password"))
    hand.sees(hand.page.locator("#secret"), re.compile(r"^\S{32,}$"))


@task(3)
def end_without_a_score(hand: Hand, ids: dict[str, int]) -> None:
    hand.find(str(ids[hand.of("end")]))
    hand.press(hand.page.locator("#retire summary"))
    hand.write(hand.page.get_by_label("Reason"), "Handed in twice")
    hand.press(hand.page.get_by_role("button", name="End without score"))
    hand.is_told(f"Submission {ids[hand.of('end')]} ended without score.")
    hand.sees(hand.page.locator(".timeline").last, "Handed in twice")


@task(2)
def export_a_list(hand: Hand, ids: dict[str, int]) -> None:
    hand.find(f"{hand.of('export')} waiting")
    hand.sees(heading(hand), "Jobs 2")
    with hand.page.expect_download() as loading:
        hand.press(hand.page.get_by_role("link", name="CSV"))
    assert len(loading.value.path().read_text().splitlines()) == 3


@task(1)
def who_moved_this_job(hand: Hand, ids: dict[str, int]) -> None:
    hand.find(str(ids[hand.of("log")]))
    hand.sees(hand.page.locator(".timeline").last, "Retried by ada")


@task(2)
def how_it_was_last_week(hand: Hand, ids: dict[str, int]) -> None:
    hand.queue(hand.of("export"))
    hand.press(hand.page.get_by_role("link", name="last 7 days"))
    hand.sees(hand.page.get_by_role("link", name="last 7 days"))
    assert "window=week" in hand.page.url


@task(2)
def be_told_of_trouble(hand: Hand, ids: dict[str, int]) -> None:
    hand.press(in_the_bar(hand, "Notifications"))
    hand.write(hand.page.get_by_label("Address of the webhook"), "https://chat.example.org/hooks/1")
    hand.press(hand.page.get_by_role("button", name="Add"))
    hand.is_told("Added.")


def _marked(mode: Mode) -> Any:
    return pytest.param(mode, id=mode.name, marks=[] if mode.name == "wide" else pytest.mark.walk)


def in_the_bar(hand: Hand, name: str) -> Locator:
    return hand.page.get_by_role("navigation", name="Account").get_by_role("link", name=name, exact=True)


def row(hand: Hand) -> Locator:
    return hand.page.locator("table.jobs tbody tr")


def heading(hand: Hand) -> Locator:
    return hand.page.get_by_role("heading", level=1)


def grader(hand: Hand, name: str) -> None:
    hand.press(in_the_bar(hand, "Graders"))
    hand.press(hand.page.get_by_role("link", name=name, exact=True))
    hand.sees(heading(hand), f"Grader {name}")


def deliveries_to(hand: Hand, name: str) -> Locator:
    hand.press(in_the_bar(hand, "Deliveries"))
    return hand.page.get_by_role("region", name=f"{name}.example.org")


@pytest.mark.parametrize("mode", [_marked(mode) for mode in MODES])
@pytest.mark.parametrize("one", TASKS, ids=lambda one: one.do.__name__)
def test_it_takes_no_more_presses_than(one: Task, mode: Mode, daily: Daily) -> None:
    page = daily.contexts[mode.name].new_page()
    page.set_default_timeout(20_000)
    page.add_init_script(WATCH)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
    page.goto("/dashboard/")
    hand = Hand(page, mode)
    one.do(hand, daily.ids)
    page.close()
    assert wrong == []
    assert hand.presses <= one.most
