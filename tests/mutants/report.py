"""The table of the page."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.mutants.mutants import MUTANTS, Mutant
from tests.mutants.trial import Verdict

HEAD = "| mutant | defect | tests | on | caught |\n| --- | --- | --- | --- | --- |\n"
TABLE = re.compile(re.escape(HEAD) + r"(?:\|.*\n)*")


def written(page: str, verdicts: Mapping[str, Verdict]) -> str:
    """The page with its table written anew."""
    lines = "".join(_line(mutant, verdicts.get(mutant.name)) for mutant in MUTANTS)
    return TABLE.sub(lambda _: HEAD + lines, page)


def _line(mutant: Mutant, verdict: Verdict | None) -> str:
    word = "not tried" if verdict is None else "yes" if verdict.caught else "**no**"
    tests = " ".join(f"`{test}`" for test in mutant.tests)
    return f"| `{mutant.name}` | {mutant.defect} | {tests} | {mutant.database} | {word} |\n"
