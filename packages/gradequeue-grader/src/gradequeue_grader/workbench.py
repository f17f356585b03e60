"""From what a person typed to a bench: the command, its protocol, its sandbox, its limits."""

from __future__ import annotations

import os
import re
import shutil
import stat
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

from gradequeue_grader.formats import Ungradable
from gradequeue_grader.grading import Bench
from gradequeue_grader.protocols import PROTOCOLS, Setup
from gradequeue_grader.protocols.job import check_names
from gradequeue_grader.sandbox import SYSTEM, Bare, Box, Bubblewrap, NoSandbox, find_bubblewrap, probe
from gradequeue_grader.tasks import Limits

UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
# The worker's own secrets; a command never gets them.
TOKEN_VARIABLE = "GRADEQUEUE_TOKEN"  # noqa: S105 - a name
# Their programs are brought along: they are seen where the platform would have them.
BRINGING = ("gradescope", "prairielearn")
# Too much lies there that is nobody's business.
NOT_SHOWN = (Path("/"), Path.home())
NOT_SANDBOXED = """\
!!! There is no sandbox: {why}.
!!! The command, and every program that it runs, has the network and can read all that this user can read, the token's
!!! file, too. Only the time, the memory, the processor time and the size of files are limited."""


class Unusable(Exception):
    """What was typed cannot be used; the sentence says why."""


def size(text: str) -> int:
    """``512M`` in bytes. Raises ValueError."""
    found = re.fullmatch(r"(\d+)([KMG]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if found is None or int(found[1]) == 0:
        raise ValueError(f"a size is a number with K, M or G, not {text!r}")
    return int(found[1]) * UNITS[found[2].upper()]


def bench(options: Namespace, words: list[str], tell: Callable[[str], object]) -> Bench:
    """Raises Unusable."""
    limits = Limits(
        seconds=options.time_limit,
        cpu_seconds=options.cpu_limit or max(1, round(options.time_limit)),
        memory=options.memory,
        processes=options.processes,
        disk=options.disk,
    )
    try:
        check_names([options.answer_file])
    except Ungradable as error:
        raise Unusable(f"--answer-file: {error}.") from error
    program = find_program(words, [seen for _, seen in map(_shown, options.show)])
    here = Path.cwd()
    shown = is_shown(here, tell)
    box = _box(options, program, [here] if shown else [], tell)
    setup = Setup(
        words=(str(program) if "/" in words[0] else words[0], *words[1:]),
        environment=dict(map(_variable, options.env)),
        folder=str(here) if shown or isinstance(box, Bare) else None,
        answer_file=options.answer_file,
        grader_root=Path(options.grader_root).absolute(),
        out_of=options.out_of,
    )
    if options.protocol not in BRINGING and program.is_file() and not os.access(program, os.X_OK):
        raise Unusable(f"{words[0]} is not executable: `chmod +x {words[0]}` makes it so.")
    protocol = PROTOCOLS[options.protocol](setup)
    if isinstance(box, Bare) and not protocol.anywhere and getattr(options, "jobs", 1) > 1:
        raise Unusable(f"Without a sandbox there is one {protocol.root} on this machine: use --jobs 1.")
    return Bench(protocol, box, limits)


def find_program(words: list[str], seen: list[str]) -> Path:
    """Where the command's program is, here or where the sandbox sees it. Raises Unusable."""
    if not words:
        raise Unusable("Which command grades? It stands at the end, after `--`.")
    if any(Path(words[0]).is_relative_to(place) for place in seen):
        return Path(words[0])
    found = shutil.which(words[0])
    if found is None and "/" in words[0] and Path(words[0]).is_file():
        return Path(words[0]).absolute()  # unpacked archives have often lost the mark
    if found is None:
        raise Unusable(f"There is no command {words[0]!r}.")
    return Path(found).absolute()


def _variable(text: str) -> tuple[str, str]:
    name, given, value = text.partition("=")
    if not name:
        raise Unusable(f"--env {text}: a variable has a name.")
    if name == TOKEN_VARIABLE:
        raise Unusable("The token is not handed on to the command.")
    if not given and name not in os.environ:
        raise Unusable(f"--env {name}: there is no such variable; give it a value with --env {name}=VALUE.")
    return name, value if given else os.environ[name]


# The sandbox. -------------------------------------------------------------------------------------------------------


def _box(options: Namespace, program: Path, folders: list[Path], tell: Callable[[str], object]) -> Box:
    if options.sandbox == "none":
        tell(NOT_SANDBOXED.format(why="--sandbox none"))
        return Bare()
    found = find_bubblewrap()
    if found is None:
        if options.sandbox == "bwrap":
            raise Unusable("bubblewrap is not installed (`apt install bubblewrap`).")
        tell(NOT_SANDBOXED.format(why="bubblewrap is not installed (`apt install bubblewrap`)"))
        return Bare()
    shows = [(path, str(path)) for path in (*folders, *prefixes(program))] + list(map(_shown, options.show))
    if options.protocol == "watcher":
        shows.append((Path(options.grader_root).resolve(), str(Path(options.grader_root).absolute())))
    token = getattr(options, "token_file", None)
    box = Bubblewrap(found, tuple(dict.fromkeys(shows)), hidden=(Path(token).resolve(),) if token else ())
    try:
        probe(box, _seen_word(options, program))
    except NoSandbox as error:
        raise Unusable(f"The sandbox cannot be made: {error}. --sandbox none runs the command without one.") from error
    return box


def _seen_word(options: Namespace, program: Path) -> str:
    """The command as the sandbox sees it; what a protocol brings along is seen in its folder, later."""
    if "/" not in options.command[0]:
        return str(options.command[0])
    return "sh" if options.protocol in BRINGING else str(program)


def _shown(text: str) -> tuple[Path, str]:
    source, given, seen = text.partition(":")
    path = Path(source).absolute()
    if not path.exists():
        raise Unusable(f"--show {source}: there is no such file or folder.")
    if given and not seen.startswith("/"):
        raise Unusable(f"--show {text}: where it is seen is a whole path, such as {source}:/grade/shared.")
    return path.resolve(), seen if given else str(path)


def is_shown(folder: Path, tell: Callable[[str], object]) -> bool:
    """Whether the command may read the folder in which the worker was started."""
    if folder in NOT_SHOWN:
        tell(f"The command does not see {folder}: start the worker in the grader's own folder, or use --show.")
        return False
    if not is_readable(folder):
        tell(f"The command does not see {folder}: root's sandboxes have users of their own, and they may not read it.")
        return False
    return True


def prefixes(program: Path) -> Iterator[Path]:
    """The folders that a program belongs to: its own, or what its ``bin/`` lies in, also of what it is a link to."""
    if not program.exists():
        return  # it is seen in the sandbox only
    steps = [program]
    while steps[-1].is_symlink() and len(steps) < 20:
        steps.append(steps[-1].parent / steps[-1].readlink())
    for step in steps:
        folder = Path(os.path.normpath(step.parent))
        whole = folder.parent if folder.name == "bin" else folder
        place = folder if whole in NOT_SHOWN else whole
        if place in NOT_SHOWN:
            continue
        if not any(place.is_relative_to(system) for system in (*SYSTEM, "/bin", "/sbin")) and is_readable(place):
            yield place


def is_readable(folder: Path) -> bool:
    """Whether the sandbox's user can read it: ourselves, or, where we are root, anybody."""
    if os.geteuid() != 0:
        return os.access(folder, os.R_OK | os.X_OK)
    enters = all(parent.stat().st_mode & stat.S_IXOTH for parent in folder.parents)
    wanted = stat.S_IROTH | stat.S_IXOTH
    return enters and folder.stat().st_mode & wanted == wanted
