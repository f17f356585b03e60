"""What the pages say of many rows at once, besides the sentences of each move (`submissions.operators`)."""

from __future__ import annotations

from django.utils.translation import gettext, ngettext, ngettext_lazy

from submissions.models import Delivery
from submissions.operators import GIVE_UP, RELEASE, RETIRE, RETRY, SEND_AGAIN, TRY_NOW, Move, of_number
from submissions.statistics.lights import host_in_words
from submissions.words import number

OF_LIST = {
    RETRY.name: ngettext_lazy("Retry all %(shown)s job of this list?", "Retry all %(shown)s jobs of this list?", "n"),
    RELEASE.name: ngettext_lazy(
        "Release all %(shown)s job of this list?", "Release all %(shown)s jobs of this list?", "n"
    ),
    RETIRE.name: ngettext_lazy(
        "End all %(shown)s job of this list without a score?",
        "End all %(shown)s jobs of this list without a score?",
        "n",
    ),
    SEND_AGAIN.name: ngettext_lazy(
        "Send the results of all %(shown)s job of this list again?",
        "Send the results of all %(shown)s jobs of this list again?",
        "n",
    ),
}
SO_FAR = {
    RETRY.name: ngettext_lazy("%(count)s job retried", "%(count)s jobs retried", "n"),
    RELEASE.name: ngettext_lazy("%(count)s job released", "%(count)s jobs released", "n"),
    RETIRE.name: ngettext_lazy("%(count)s job ended without score", "%(count)s jobs ended without score", "n"),
    SEND_AGAIN.name: ngettext_lazy("%(count)s delivery sent again", "%(count)s deliveries sent again", "n"),
    TRY_NOW.name: ngettext_lazy("%(count)s delivery brought forward", "%(count)s deliveries brought forward", "n"),
    GIVE_UP.name: ngettext_lazy("%(count)s delivery given up", "%(count)s deliveries given up", "n"),
}
TO_HOST = {
    TRY_NOW.name: ngettext_lazy(
        "%(shown)s delivery to %(host)s will be tried now.", "%(shown)s deliveries to %(host)s will be tried now.", "n"
    ),
    GIVE_UP.name: ngettext_lazy(
        "%(shown)s delivery to %(host)s given up.", "%(shown)s deliveries to %(host)s given up.", "n"
    ),
}


def question_of_list(move: Move, count: int, shown: str) -> str:
    """Before a move of all jobs of a list; `shown` tells how many there are, perhaps "10,000+"."""
    return str(OF_LIST[move.name] % {"n": count, "shown": shown})


def so_far(move: Move, done: int, total: str, refused: int) -> str:
    """ "3 jobs retried of 20; 1 skipped, its state has changed meanwhile"; `total` may be ""."""
    words = of_number(SO_FAR[move.name], done)
    if total:
        words = gettext("%(done)s of %(total)s") % {"done": words, "total": total}
    if not refused:
        return words
    return f"{words}; " + ngettext(
        "%(count)s skipped, its state has changed meanwhile",
        "%(count)s skipped, their state has changed meanwhile",
        refused,
    ) % {"count": number(refused)}


def to_host(move: Move, host: str, done: int) -> str:
    return str(TO_HOST[move.name] % {"n": done, "shown": number(done), "host": host_in_words(host)})


def skipped(move: Move, count: int) -> str:
    """Of rows that somebody else has moved before."""
    if move.model is Delivery:
        words = ngettext(
            "%(count)s delivery was skipped: its state has changed meanwhile.",
            "%(count)s deliveries were skipped: their state has changed meanwhile.",
            count,
        )
    else:
        words = ngettext(
            "%(count)s job was skipped: its state has changed meanwhile.",
            "%(count)s jobs were skipped: their state has changed meanwhile.",
            count,
        )
    return words % {"count": number(count)}
