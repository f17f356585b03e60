"""The catalogues of both packages: they know every message of the code, lose no place in it, and are compiled."""

from __future__ import annotations

import re
import struct
from collections import Counter
from gettext import GNUTranslations, c2py

import pytest

from tests.words.catalogue import LANGUAGES, PACKAGES, Entry, file_of, of_code, read

pytestmark = [pytest.mark.once, pytest.mark.parametrize("language", LANGUAGES)]
each_package = pytest.mark.parametrize("package", PACKAGES)

# Places for values, and tags: each translation has those of its message.
VALUE = r"%\(\w+\)[a-z]|(?<!%)\{\w+\}"
PLACE = re.compile(rf"{VALUE}|</?[a-z]+[^>]*>")
# Enough of them to have every form of a plural.
NUMBERS = (*range(200), 10**6, 2 * 10**6)


def entries(package: str, language: str) -> list[Entry]:
    return [one for one in read(file_of(package, language)) if one.one]


def forms(package: str, language: str) -> Counter[int]:
    """Each form of a plural, with how many of NUMBERS it is for."""
    head = read(file_of(package, language))[0].told[0]
    return Counter(map(c2py(re.findall(r"plural=(.*);", head)[0]), NUMBERS))


@each_package
def test_it_has_the_messages_of_the_code_and_no_others(package: str, language: str) -> None:
    known = {one.key for one in entries(package, language)}
    plural = {key[:2] for key in known if key[2]}
    # xgettext makes one entry of a text that stands in one place with a plural and in another without.
    asked = {key for key in of_code(package) if key[2] or key[:2] not in plural}
    assert (sorted(asked - known), sorted(known - asked)) == ([], []), "make messages"


@each_package
def test_each_message_is_translated(package: str, language: str) -> None:
    assert [one.one for one in entries(package, language) if one.fuzzy or not all(one.told)] == []


@each_package
def test_each_plural_has_all_its_forms(package: str, language: str) -> None:
    number = len(forms(package, language))
    assert [one.one for one in entries(package, language) if len(one.told) != (number if one.many else 1)] == []


@each_package
def test_a_plural_of_arabic_is_more_than_one_form_repeated(package: str, language: str) -> None:
    if language == "ar":
        assert [one.one for one in entries(package, language) if one.many and len(set(one.told)) == 1] == []


@each_package
def test_a_translation_has_the_places_and_the_tags_of_its_message(package: str, language: str) -> None:
    told_of = forms(package, language)
    wrong = [
        (one.one, told)
        for one in entries(package, language)
        for form, told in enumerate(one.told)
        if not has_places(told, one, alone=bool(one.many) and told_of[form] == 1)
    ]
    assert wrong == []


def has_places(told: str, one: Entry, *, alone: bool) -> bool:
    """Where the form is for one number `alone`, a word may stand for the number, as in "مهمتان": two jobs."""
    found = Counter(PLACE.findall(told))
    asked = [Counter(PLACE.findall(text)) for text in (one.one, one.many or one.one)]
    missing = [place for places in asked for place in (places - found).elements() if not found - places]
    return found in asked or (alone and len(set(missing)) == 1 and re.fullmatch(VALUE, missing[0]) is not None)


def test_a_message_of_both_is_told_the_same(language: str) -> None:
    """For one process has one catalogue of all: of two translations only one is ever shown."""
    first, second = ({one.key: one.told for one in entries(package, language)} for package in PACKAGES)
    assert {key: (told, second[key]) for key, told in first.items() if second.get(key, told) != told} == {}


@each_package
def test_it_says_that_nobody_has_reviewed_it(package: str, language: str) -> None:
    assert "# UNREVIEWED: " in file_of(package, language).read_text().split('msgid ""')[0]


@each_package
def test_what_is_compiled_is_what_is_written(package: str, language: str) -> None:
    path, written = file_of(package, language, "mo"), entries(package, language)
    # The third number of the file: how many messages it has, with the head.
    assert struct.unpack("<I", path.read_bytes()[8:12])[0] == len(written) + 1, "make messages"
    with path.open("rb") as compiled:
        known = GNUTranslations(compiled)
    for one in written:
        if one.many:
            assert {known.ngettext(one.one, one.many, number) for number in NUMBERS} == set(one.told), "make messages"
        elif one.context:
            assert known.pgettext(one.context, one.one) == one.told[0], "make messages"
        else:
            assert known.gettext(one.one) == one.told[0], "make messages"
