"""``gradequeue-grader run | try | convert``."""

from __future__ import annotations

import argparse
import ctypes
import io
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from gradequeue_grader import __version__, formats
from gradequeue_grader.client import Client
from gradequeue_grader.endings import Ending, Failed
from gradequeue_grader.events import JsonLines, Lines, Listener, Screen, harmless
from gradequeue_grader.grading import Bench
from gradequeue_grader.protocols import PROTOCOLS
from gradequeue_grader.result import NotAResult, faults
from gradequeue_grader.sandbox import Bare, remove_leftovers
from gradequeue_grader.tasks import TRY_AGAIN, UNGRADABLE
from gradequeue_grader.trial import claim_of, payload_of, read_submission, shown
from gradequeue_grader.workbench import BRINGING, TOKEN_VARIABLE, Unusable, bench, size
from gradequeue_grader.worker import MOST_JOBS, CannotWork, Wish, Worker

REFUSED, WRONG_USAGE = 1, 2
STATUSES = {"grader": REFUSED, "ungradable": UNGRADABLE, "infrastructure": TRY_AGAIN}
PR_SET_DUMPABLE = 4
DRAW_SECONDS = 0.25
# Of what limits are told in: the kernel takes no more, and nobody means more.
MOST = 1_000_000_000
# What a server holds at the most; asked to stop, the worker waits for that answer, too.
LONGEST_WAIT = 20


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 refused or failed, 2 wrong usage."""
    words = sys.argv[1:] if arguments is None else arguments
    own, command = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    options = _parser().parse_args(own)
    options.command = command
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As the formats want it, whatever the locale; half surrogates of a grader's become question marks.
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    return max(_done(options), _flushed())


def _done(options: argparse.Namespace) -> int:
    try:
        status: int = options.do(options)
    except Unusable as error:
        tell(f"gradequeue-grader: {error}")
        return WRONG_USAGE
    except (CannotWork, NotAResult, OSError) as error:
        tell(f"gradequeue-grader: {error}")
        return REFUSED
    except KeyboardInterrupt:
        return 130
    return status


def _flushed() -> int:
    try:
        sys.stdout.flush()
    except OSError as error:
        tell(f"gradequeue-grader: what is printed cannot be written: {error}")
        _drop_output()
        return REFUSED
    return 0


def _drop_output() -> None:
    """What is still in the buffer goes nowhere: it would be tried once more at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def tell(line: str) -> None:
    """For people: to standard error."""
    print(line, file=sys.stderr, flush=True)


# Words. -------------------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    about = "Grades what waits in a gradequeue: runs a command for each job, in a sandbox, and sends what it says."
    parser = argparse.ArgumentParser("gradequeue-grader", description=about, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="run | try | convert")
    run = commands.add_parser("run", help="claim jobs from a queue and grade them", allow_abbrev=False)
    _add_server(run)
    _add_bench(run)
    run.set_defaults(do=run_worker)
    trial = commands.add_parser("try", help="grade one submission, without a server", allow_abbrev=False)
    trial.add_argument("--submission", type=Path, required=True, metavar="PATH", help="a folder of files, or one file")
    trial.add_argument("--payload", type=Path, metavar="FILE", help="what the platform would tell the grader")
    trial.add_argument("--points", type=_positive, default=1.0, help="how many are possible (default: %(default)g)")
    trial.add_argument("--json", action="store_true", help="print the Result as the queue would get it")
    _add_bench(trial)
    trial.set_defaults(do=try_once)
    convert = commands.add_parser("convert", help="one format of results to another", allow_abbrev=False)
    names = [*formats.FORMATS, "json"]
    convert.add_argument("--from", dest="source", required=True, choices=[*names, "tap"], help="what FILE is")
    convert.add_argument("--to", default="json", choices=names, help="what is printed (default: a Result, as JSON)")
    convert.add_argument("--points", type=_positive, help="how many are possible, where a share is wanted")
    convert.add_argument("file", metavar="FILE", help="`-` for standard input")
    convert.set_defaults(do=convert_file)
    return parser


def _add_server(parser: argparse.ArgumentParser) -> None:
    url = os.environ.get("GRADEQUEUE_URL")
    parser.add_argument("--url", default=url, help="the server, as https://... (or $GRADEQUEUE_URL)")
    parser.add_argument(
        "--token-file", metavar="FILE", help=f"a file that holds the token (or the token itself in ${TOKEN_VARIABLE})"
    )
    parser.add_argument("--queue", action="append", required=True, help="may be repeated, in the order of preference")
    parser.add_argument("--jobs", type=_jobs, default=1, help="how many at once (default: %(default)s)")
    parser.add_argument(
        "--wait", type=_wait, default=10, metavar="SECONDS", help="the server holds a request so long (default: 10)"
    )
    parser.add_argument("--once", action="store_true", help="end when nothing waits")
    parser.add_argument("--json", action="store_true", help="print each event as a line of JSON")


def _add_bench(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--protocol", choices=list(PROTOCOLS), default="json", help="how CMD is told of a job (default: %(default)s)")
    add("--sandbox", choices=["bwrap", "none"], help="default: bwrap where it is installed")
    add("--time-limit", type=_positive, default=20.0, metavar="SECONDS", help="default: %(default)g")
    add("--cpu-limit", type=_whole, metavar="SECONDS", help="of each process (default: the time limit)")
    add("--memory", type=_size, default=size("512M"), metavar="SIZE", help="of all processes (default: 512M)")
    add("--processes", type=_whole, default=64, metavar="N", help="default: %(default)s")
    add("--disk", type=_size, default=size("256M"), metavar="SIZE", help="what it may write (default: 256M)")
    add("--show", action="append", default=[], metavar="PATH[:AS]", help="what CMD may read beside its own folder")
    add("--env", action="append", default=[], metavar="NAME[=VALUE]", help="a variable for CMD")
    add("--answer-file", default="answer.txt", metavar="NAME", help="the answer as a file (default: %(default)s)")
    add("--grader-root", default=".", metavar="FOLDER", help="where a watcher's graders lie (default: here)")
    add("--out-of", type=_positive, metavar="POINTS", help="what a Gradescope score is out of (default: the problem's)")
    parser.usage = "%(prog)s [options] -- CMD ..."


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < MOST:
        raise argparse.ArgumentTypeError(f"a number above 0, not {text}")
    return value


def _within(text: str, least: int, most: int, wanted: str) -> int:
    if not text.isdecimal() or len(text) > len(str(MOST)) or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{wanted}, not {text}")
    return int(text)


def _whole(text: str) -> int:
    return _within(text, 1, MOST, "a whole number from 1")


def _wait(text: str) -> int:
    return _within(text, 0, LONGEST_WAIT, f"0 to {LONGEST_WAIT}")


def _jobs(text: str) -> int:
    value = _whole(text)
    if value > MOST_JOBS:
        raise argparse.ArgumentTypeError(f"at most {MOST_JOBS}; start another worker beside this one")
    return value


def _size(text: str) -> int:
    try:
        return size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


# run. ---------------------------------------------------------------------------------------------------------------


def run_worker(options: argparse.Namespace) -> int:
    """Until SIGTERM or Ctrl-C; a second one gives back what is held."""
    token = _token(options)
    if not options.url:
        raise Unusable("Which server? Say --url https://...")
    _keep_to_ourselves()
    remove_leftovers()
    tools = bench(options, options.command, tell)
    queues, name = tuple(options.queue), socket.gethostname()
    wish = Wish(queues, options.jobs, options.time_limit, options.wait, options.once, name)
    with ExitStack() as stack:
        try:
            client = stack.enter_context(Client(options.url, token))
        except ValueError as error:
            raise Unusable(f"--url: {error}") from error
        listener = _listener(options, stack)
        worker = Worker(client, wish, tools.grade, listener)
        _heed(worker)
        worker.check()
        sandbox = "without a sandbox" if isinstance(tools.box, Bare) else "each in a sandbox"
        worker.listener.hear("started", url=options.url, queues=", ".join(queues), jobs=options.jobs, sandbox=sandbox)
        status = worker.run()
        if worker.listener.lost:
            _drop_output()
        return status


def _heed(worker: Worker) -> None:
    """SIGTERM and Ctrl-C. A handler runs in the midst of whatever the main thread does, perhaps with the very lock that
    it would need: it only notes the signal, and another thread acts."""
    asked: queue.SimpleQueue[int] = queue.SimpleQueue()  # may be put to within itself
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: asked.put(got))
    threading.Thread(target=_stop_when_asked, args=(worker, asked), name="signals", daemon=True).start()


def _stop_when_asked(worker: Worker, asked: queue.SimpleQueue[int]) -> None:
    while True:
        asked.get()
        if worker.stop.is_set():
            worker.abandon()
        worker.stop.set()


def _token(options: argparse.Namespace) -> str:
    if options.token_file:
        try:
            token = Path(options.token_file).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Unusable(f"--token-file {options.token_file}: it cannot be read: {error}") from error
    else:
        token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        raise Unusable(f"Which token? Say --token-file FILE, or set {TOKEN_VARIABLE}.")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise Unusable("The token has characters that no token has.")
    return token


def _keep_to_ourselves() -> None:
    """Other processes of this user, such as a command without a sandbox, may not read our memory and environment."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _listener(options: argparse.Namespace, stack: ExitStack) -> Listener:
    if options.json:
        return JsonLines()
    if not sys.stderr.isatty():
        return Lines()
    screen = stack.enter_context(Screen(options.time_limit))
    ended = threading.Event()
    drawing = threading.Thread(target=_draw, args=(screen.draw, ended), daemon=True)
    drawing.start()
    stack.callback(drawing.join)
    stack.callback(ended.set)
    return screen


def _draw(draw: Callable[[], None], ended: threading.Event) -> None:
    while not ended.wait(DRAW_SECONDS):
        draw()


# try. ---------------------------------------------------------------------------------------------------------------


def try_once(options: argparse.Namespace) -> int:
    """Exit status: 0 graded, 1 the grader failed, 65 not gradable, 75 the machine is to blame."""
    files, answer = read_submission(options.submission, options.answer_file)
    if files and options.protocol in BRINGING:
        answer = ""
    claim = claim_of(files, answer, payload_of(options.payload), options.points, options.time_limit)
    tools = bench(options, options.command, tell)
    ending = _watched(tools, claim, files, options.time_limit)
    if options.json and not isinstance(ending, Failed):
        print(formats.write("json", ending.result), end="")
    else:
        for part in shown(ending, options.points):
            print("\n".join(map(harmless, part.split("\n"))))
    if isinstance(ending, Failed):
        return STATUSES[ending.kind]
    return REFUSED if faults(ending.result) else 0


def _watched(tools: Bench, claim: object, files: dict[str, bytes], seconds: float) -> Ending:
    """Grades it, with a bar at a terminal: of the time that it may take."""
    grade = partial(tools.grade, claim, files, threading.Event())  # type: ignore[arg-type]
    if not sys.stderr.isatty():
        return grade()
    columns = (TextColumn("{task.description}"), BarColumn(None), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Grading", total=seconds)
        ended = threading.Event()
        drawing = threading.Thread(target=_draw, args=(partial(bar.advance, task, DRAW_SECONDS), ended), daemon=True)
        drawing.start()
        try:
            return grade()
        finally:
            ended.set()
            drawing.join()


# convert. -----------------------------------------------------------------------------------------------------------


def convert_file(options: argparse.Namespace) -> int:
    """Prints the other format. What is no result is refused with a sentence."""
    text = sys.stdin.buffer.read() if options.file == "-" else Path(options.file).read_bytes()
    result = formats.read(options.source, text)
    if wrong := faults(result):
        raise NotAResult(f"{options.file} is no result that a queue takes: {'; '.join(wrong)}")
    sys.stdout.write(formats.write(options.to, result, options.points))
    return 0


if __name__ == "__main__":
    sys.exit(main())
