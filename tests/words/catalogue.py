"""Catalogues and what the code asks of them, read and written without gettext's tools, which not every machine has."""

from __future__ import annotations

import ast
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.utils.translation import templatize

from tests.walkthrough import ROOT

LANGUAGES = ("es", "fr", "ar")
PACKAGES = ("gradequeue", "submissions")
# By the name of the function: at which places its context and its texts stand.
CALLS = {
    "gettext": ("", 0, 1),
    "gettext_lazy": ("", 0, 1),
    "gettext_noop": ("", 0, 1),
    "_": ("", 0, 1),
    "ngettext": ("", 0, 2),
    "ngettext_lazy": ("", 0, 2),
    "pgettext": ("context", 1, 2),
    "pgettext_lazy": ("context", 1, 2),
    "npgettext": ("context", 1, 3),
    "npgettext_lazy": ("context", 1, 3),
}
_TEXT = r"u?(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
_IN_TEMPLATE = re.compile(rf"\b(n?p?gettext|_)\(({_TEXT}(?:, {_TEXT})*)")

Key = tuple[str, str, str]
"""Context, text, plural; "" where there is none."""


@dataclass
class Entry:
    context: str = ""
    one: str = ""
    many: str = ""
    told: list[str] = field(default_factory=list)
    """The translations: one, or one for each plural."""
    fuzzy: bool = False

    @property
    def key(self) -> Key:
        return self.context, self.one, self.many


def file_of(package: str, language: str, ending: str = "po") -> Path:
    return ROOT / "src" / package / "locale" / language / "LC_MESSAGES" / f"django.{ending}"


def read(path: Path) -> list[Entry]:
    """The entries in use; the first is the head."""
    found: list[Entry] = []
    for block in path.read_text().split("\n\n"):
        entry, part = Entry(), ""
        for line in block.splitlines():
            word, _, text = line.partition(" ")
            if line.startswith("#"):
                entry.fuzzy = entry.fuzzy or (line.startswith("#,") and "fuzzy" in line)
                continue
            if not line.startswith('"'):
                part = {"msgctxt": "context", "msgid": "one", "msgid_plural": "many"}.get(word, "told")
                if part == "told":
                    entry.told.append("")
            text = ast.literal_eval(line if line.startswith('"') else text)
            if part == "told":
                entry.told[-1] += text
            else:
                setattr(entry, part, getattr(entry, part) + text)
        if entry.told:
            found.append(entry)
    return found


def of_code(package: str) -> set[Key]:
    """Each message of a package's modules and templates."""
    folder = ROOT / "src" / package
    found: set[Key] = set()
    for path in folder.rglob("*.py"):
        found |= set(_of_module(path.read_text()))
    for path in folder.rglob("*.html"):
        found |= set(_of_template(path.read_text()))
    return found


def _of_module(source: str) -> Iterator[Key]:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        texts = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        if name in CALLS and texts:
            yield _key(name, texts)


def _of_template(source: str) -> Iterator[Key]:
    for name, texts in _IN_TEMPLATE.findall(templatize(source)):
        # As xgettext reads them: "%%" of a template stands for itself.
        yield _key(name, [ast.literal_eval(text) for text in re.findall(_TEXT, texts)])


def _key(name: str, texts: list[str]) -> Key:
    context, first, last = CALLS[name]
    one, many = [*texts[first:last], ""][:2]
    return (texts[0] if context else "", one, many)


def write(path: Path, head: str, entries: Iterable[Entry]) -> None:
    """What gettext's msgfmt makes of them."""
    pairs = [("", head)]
    for one in entries:
        key = (f"{one.context}\x04" if one.context else "") + one.one + (f"\0{one.many}" if one.many else "")
        pairs.append((key, "\0".join(one.told)))
    known = sorted((key.encode(), text.encode()) for key, text in pairs)
    keys, texts = b"".join(key + b"\0" for key, _ in known), b"".join(text + b"\0" for _, text in known)
    start = 28 + 16 * len(known)
    tables = [[], []]  # type: list[list[int]]
    places = [start, start + len(keys)]
    for pair in known:
        for number, part in enumerate(pair):
            tables[number] += [len(part), places[number]]
            places[number] += len(part) + 1
    header = struct.pack("<7I", 0x950412DE, 0, len(known), 28, 28 + 8 * len(known), 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + struct.pack(f"<{4 * len(known)}I", *tables[0], *tables[1]) + keys + texts)
