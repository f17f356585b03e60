"""Numbers and durations, as a page shows them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import translation

from submissions import text, words
from submissions.models import OperatorMove
from submissions.operators import PAUSE, RETRY, SEND_AGAIN, words_of
from submissions.statistics.lights import Facts, light

pytestmark = pytest.mark.once

SECONDS = [None, 0, -5, 0.44, 9.96, 42.4, 59.9, 60, 599, 3600, 9402, 86400, 273600, timedelta(minutes=9)]


@pytest.mark.parametrize("language", [None, "en", "en-us"])
@pytest.mark.parametrize("seconds", SECONDS)
def test_in_english_a_page_says_what_a_command_says(seconds: float | None, language: str | None) -> None:
    with translation.override(language):
        assert words.duration(seconds) == text.duration(seconds)


def test_numbers() -> None:
    with translation.override(None):
        assert (words.number(12000), words.number(2.5, 1)) == ("12,000", "2.5")
    with translation.override("en"):
        assert (words.number(12000), words.number(999), words.number(2.5, 1)) == ("12,000", "999", "2.5")
    with translation.override("es"):
        assert (words.number(12000), words.number(2.5, 1)) == ("12\u00a0000", "2,5")


def test_english_is_left_alone() -> None:
    with translation.override("en-gb"), words.in_english():
        assert translation.get_language() == "en-gb"
    with translation.override("es"), words.in_english():
        assert translation.get_language() is None


def test_spanish() -> None:
    with translation.override("es"):
        assert RETRY.told(1) == "1 trabajo se evaluará de nuevo."
        assert RETRY.told(3) == "3 trabajos se evaluarán de nuevo."
        assert str(PAUSE.label) == "Pausar"
        assert light(Facts()).causes == ("Ningún trabajo en espera; ningún evaluador ha consultado todavía",)
        assert words_of(OperatorMove(move="retry", number=2)) == "reintentó 2 trabajos"


def test_a_number_of_arabic_has_its_plural() -> None:
    with translation.override("ar"):
        assert RETRY.ask(0) == "هل تريد إعادة محاولة 0 مهمة؟"
        assert RETRY.ask(1) == "هل تريد إعادة محاولة مهمة واحدة؟"
        assert RETRY.ask(2) == "هل تريد إعادة محاولة مهمتين؟"
        assert RETRY.ask(3) == "هل تريد إعادة محاولة 3 مهام؟"
        assert RETRY.ask(11) == "هل تريد إعادة محاولة 11 مهمة؟"
        assert SEND_AGAIN.ask(11) == "هل تريد إعادة 11 إرسالًا؟"
        assert SEND_AGAIN.ask(100) == "هل تريد إعادة 100 إرسال؟"
