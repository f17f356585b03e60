"""Why a program is held for wrong that passes every test: what can be seen in its text, and no guess."""

from __future__ import annotations

import ast
import builtins
from collections import Counter
from dataclasses import dataclass, field
from functools import cache

from gradequeue.demo.course import Attempt

# What at most this share of the right programs use tells a program from them, if there are so many.
RARE = 0.02
MANY = 20


@dataclass(frozen=True)
class Names:
    """The names in a program's text."""

    used: set[str] = field(default_factory=set)
    bound: set[str] = field(default_factory=set)
    methods: set[str] = field(default_factory=set)

    @property
    def tools(self) -> set[str]:
        """What it uses of the language: methods, and functions that Python brings along."""
        return self.methods | (self.used - self.bound) & set(dir(builtins))


def beyond_tests(attempt: Attempt, right: list[Attempt]) -> str:
    """In words; `right` are the right programs for the same problem."""
    names = names_in(attempt.program)
    lent = sorted((names.used & names_in(attempt.problem.prelude).bound) - names.bound)
    if lent:
        return f"it does not define {', '.join(lent)}, what runs before it does"
    counts = _tools(tuple(one.program for one in right))
    rare = sorted((counts[tool], tool) for tool in names.tools if counts[tool] <= RARE * len(right))
    if rare and len(right) >= MANY:
        count, tool = rare[0]
        return f"it uses {tool}, as {f'only {count}' if count else 'none'} of the {len(right)} right programs do"
    return "nothing in its text tells it from the right ones"


@cache
def _tools(programs: tuple[str, ...]) -> Counter[str]:
    return Counter(tool for program in programs for tool in names_in(program).tools)


def names_in(program: str) -> Names:
    """None at all where it does not parse."""
    names = Names()
    try:
        nodes = list(ast.walk(ast.parse(program)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return names
    for node in nodes:
        if isinstance(node, ast.Name):
            (names.used if isinstance(node.ctx, ast.Load) else names.bound).add(node.id)
        elif isinstance(node, ast.Attribute):
            names.methods.add(node.attr)
        elif isinstance(node, ast.alias):
            names.bound.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.bound.add(node.name)
    return names
