"""Numbers into Markdown. A run replaces the sections of benchmarks/README.md that it measured; the others stay."""

from __future__ import annotations

import json
import platform
import re
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import quantiles

import psutil

from benchmarks.match import Outcome
from benchmarks.profiling import Profile

FUNCTIONS = 40
"""How many lines a profile has."""
FAULTS = ("duplicates", "false empties", "errors", "not stored")
CALLS = ("get_submission", "put_result", "enqueue", "submit", "claims", "results")
Pairs = list[tuple[Outcome, Outcome]]


@dataclass(frozen=True)
class Section:
    title: str
    body: str
    facts: dict[str, float] = field(default_factory=dict)
    """What the targets are held against, by name."""


def tell(line: str) -> None:
    """Progress, beside the result."""
    print(line, file=sys.stderr, flush=True)


def match(
    title: str, outcomes: list[Outcome], what: str, facts: dict[str, float] | None = None, pairs: Pairs | None = None
) -> Section:
    """`pairs`: who is held against whom; usually the first one against all others."""
    calls = [call for call in CALLS if any(one.calls.get(call) for one in outcomes)]
    head = [
        "", f"{what}s/s", "lowest to highest", f"CPU ms/{what}: web", "database", "together",
        *(f"{call} ms p50 / p95 / p99" for call in calls), *FAULTS,
    ]  # fmt: skip
    rows = [_row(one, calls) for one in outcomes]
    parts = [
        _table(head, rows),
        _ratios(pairs or [(outcomes[0], one) for one in outcomes[1:]], what),
        _errors(outcomes),
        _client(outcomes),
    ]
    return Section(title, "\n\n".join(part for part in parts if part), facts or {})


def _row(one: Outcome, calls: list[str]) -> list[str]:
    rates = [round_.rate for round_ in one.rounds]
    cpu = [_number(one.cpu("web")), _number(one.cpu("database")), _number(one.cpu("web", "database"))]
    latencies = [percentiles(one.calls.get(call, [])) for call in calls]
    faults = [f"{one.faults[fault]:,}" for fault in FAULTS]
    return [one.title, _number(one.rate), f"{_number(min(rates))} to {_number(max(rates))}", *cpu, *latencies, *faults]


def _ratios(pairs: Pairs, what: str) -> str:
    lines = []
    for first, other in pairs:
        if not other.rate:
            continue
        line = f"* {first.title} against {other.title}: **{first.rate / other.rate:.2f}** times the {what}s per second"
        ours, theirs = first.cpu("web", "database"), other.cpu("web", "database")
        lines.append(line + (f", {ours / theirs:.2f} of the CPU time per {what}." if ours and theirs else "."))
    return "\n".join(lines)


def _errors(outcomes: list[Outcome]) -> str:
    found = [
        f"* {one.title}, {count:,} times: `{what}`" for one in outcomes for what, count in one.errors.most_common(4)
    ]
    return "\n".join(["Errors:", "", *found]) if found else ""


def _client(outcomes: list[Outcome]) -> str:
    share = max(one.client_share for one in outcomes)
    rounds = len(outcomes[0].rounds)
    return f"Medians of {rounds} alternating rounds. The client used at most {share:.0%} of one processor."


def memory(requests: int, before: list[float], after: list[float]) -> Section:
    rows = [
        [when, *(f"{size:.0f}" for size in sizes)]
        for when, sizes in (("after the warm-up", before), (f"after {requests:,} requests", after))
    ]
    columns = max(len(before), len(after))
    head = ["resident memory (MB)", *(f"process {number}" for number in range(1, columns + 1))]
    facts = {"memory": max(after)} if after else {}
    return Section(f"Memory after {requests:,} requests", _table(head, rows), facts)


Grown = dict[str, tuple[float, float]]
"""Of each thing that is done, the milliseconds with few jobs and with many."""


def growth(rows: int, small: int, medians: Grown, pages: Grown) -> Section:
    """`medians`: of things done by turns; `pages`: every page, asked for at the end."""
    sizes = [f"{small:,} jobs (ms)", f"{rows:,} jobs (ms)", "ratio"]
    tables = [_table([title, *sizes], _grown(found)) for title, found in (("one at a time", medians), ("page", pages))]
    facts = {f"growth of {what}": many / few for what, (few, many) in medians.items()}
    return Section(f"{rows:,} jobs beside {small:,}", "\n\n".join(tables), facts)


def _grown(found: Grown) -> list[list[str]]:
    return [[what, _number(few), _number(many), f"{many / few:.2f}"] for what, (few, many) in found.items()]


def statements(counts: dict[str, dict[str, list[str]]]) -> Section:
    if not counts:
        return Section("Statements per call", "Not counted on SQLite, which is a part of the process.")
    calls = list(next(iter(counts.values())))
    rows = [[title, *(str(len(found[call])) for call in calls)] for title, found in counts.items()]
    ours = next(iter(counts.items()))
    listed = [f"{call}:\n\n```sql\n" + "\n".join(map(_shortened, ours[1][call])) + "\n```" for call in calls]
    details = f"<details><summary>The statements of {ours[0]}</summary>\n\n" + "\n\n".join(listed) + "\n\n</details>"
    facts = {call: float(len(ours[1][call])) for call in calls}
    return Section("Statements per call", f"{_table(['', *calls], rows)}\n\n{details}", facts)


def profile(found: dict[str, Profile]) -> Section:
    layers = sorted({layer for one in found.values() for layer in one.layers}, key=lambda layer: _weight(found, layer))
    head = ["CPU time of the web workers per call", *found]
    rows = [["together (ms)", *(f"{one.milliseconds:.2f}" for one in found.values())]]
    rows += [[layer, *(f"{one.layers.get(layer, 0):.0%}" for one in found.values())] for layer in layers]
    parts = [_table(head, rows)]
    for call, one in found.items():
        lines = [[f"`{name}`", f"{share:.1%}"] for name, share in list(one.functions.items())[:FUNCTIONS]]
        parts.append(f"{call}: functions with all that they call\n\n{_table(['function', 'share'], lines)}")
    return Section("Where the time goes", "\n\n".join(parts))


def by_turns(title: str, now: dict[str, dict[str, float]], before: dict[str, dict[str, float]]) -> str:
    """Two states of the same thing: milliseconds of each part of each kind of call."""
    head, rows = [title, *(f"{part}: now / before / ratio" for part in next(iter(now.values())))], []
    for what, parts in now.items():
        pairs = [(value, before[what][part]) for part, value in parts.items()]
        ratios = [f"{mine / theirs:.2f}" if theirs else "-" for mine, theirs in pairs]
        cells = (f"{mine:.2f} / {theirs:.2f} / {ratio}" for (mine, theirs), ratio in zip(pairs, ratios, strict=True))
        rows.append([what, *cells])
    return _table(head, rows)


def targets(rows: list[list[str]]) -> str:
    return _table(["target", "asked for", "measured", "met"], rows)


def _weight(found: dict[str, Profile], layer: str) -> float:
    return -sum(one.layers.get(layer, 0) for one in found.values())


def _shortened(statement: str) -> str:
    """Lists of columns, keys and texts are of no interest here."""
    statement = re.sub(r"'[^']*'", "'...'", " ".join(statement.split()))
    statement = re.sub(r"[\"`]submissions_(\w+)[\"`]", r"\1", statement).replace('"', "").replace("`", "")
    statement = re.sub(r"^SELECT .*? FROM ", "SELECT ... FROM ", statement)
    return statement if len(statement) <= 220 else statement[:220] + " ..."


def header_of(content: str) -> str:
    return str(json.loads(content)["xqueue_header"])


def percentiles(microseconds: list[int]) -> str:
    """p50 / p95 / p99 in milliseconds."""
    if len(microseconds) < 2:
        return "-"
    cuts = quantiles(microseconds, n=100, method="inclusive")
    return " / ".join(_number(cuts[place - 1] / 1000) for place in (50, 95, 99))


def _number(value: float | None) -> str:
    """Three digits."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine(servers: list[str]) -> str:
    """Where this was measured, in one paragraph."""
    memory = psutil.virtual_memory().total / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in ("Django", "granian"))
    return (
        f"{psutil.cpu_count()} processors ({_processor()}), {memory:.0f} GB, {platform.system()} "
        f"{platform.release().split('-')[0]}; Python {platform.python_version()}, {packages}; {', '.join(servers)}. "
        "Client, server and database share the machine."
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return found[1] if found else platform.machine()


def written_into(document: str, kind: str, scenario: str, section: str) -> str:
    """`document` with the part of this database and scenario replaced, or added at the end."""
    begin, end = f"<!-- {kind} {scenario} -->", f"<!-- /{kind} {scenario} -->"
    block = f"{begin}\n{section}\n{end}"
    if begin in document:
        before, _, rest = document.partition(begin)
        return before + block + rest.partition(end)[2]
    return document.rstrip("\n") + f"\n\n{block}\n"
