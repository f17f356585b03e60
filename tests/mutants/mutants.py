"""The deliberate defects. Each is a few lines that a person could have written, and names the tests that must fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Edit(NamedTuple):
    file: str
    """Below src/."""
    old: str
    """Stands there exactly once."""
    new: str


@dataclass(frozen=True)
class Mutant:
    name: str
    defect: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]
    """What pytest is given: they pass on the source as it is, and one of them must fail on the mutant."""
    database: str = "sqlite"
    """On which the tests are run; where a lock is missing SQLite, which has none, notices nothing."""
    short: bool = False
    """Whether it is among the few that each run of the suite tries."""


def _mutant(
    name: str, defect: str, file: str, old: str, new: str, *tests: str, database: str = "sqlite", short: bool = False
) -> Mutant:
    return Mutant(name, defect, (Edit(file, old, new),), tests, database, short)


QUEUE = "submissions/queue"
RESULTS = "tests/queue/test_complete.py"
CLAIMS = "tests/queue/test_claim.py"
RACES = "tests/queue/fast/test_races.py"
MANY = "tests/queue/test_races.py::test_sixteen_graders_take_two_hundred_jobs_once_each_and_score_them_all"
STATES = "tests/queue/test_states.py"
AUDIT = "tests/cli/test_audit.py"
SENDING = "tests/deliveries/test_worker.py"
POSTGRESQL = f"{QUEUE}/fast/postgresql.py"
MARIADB = f"{QUEUE}/fast/mariadb.py"

MUTANTS = [
    # Results.
    _mutant(
        "forgotten-result",
        "One result in 40 is acknowledged, and nothing is written",
        f"{QUEUE}/fast/__init__.py",
        "    if not statements.finish(connection, values, first=held.latest_id is None):\n",
        "    if held.submission_id % 40 == 0:\n        return _graded(held, points, possible)\n"
        "    if not statements.finish(connection, values, first=held.latest_id is None):\n",
        MANY,
    ),
    _mutant(
        "no-score",
        "A result ends its job without a score, one in 40",
        f"{QUEUE}/fast/sqlite.py",
        '            raise _Undo\n        given["score"]',
        '            raise _Undo\n        if not values["submission"] % 40:\n            return True\n'
        '        given["score"]',
        MANY,
    ),
    _mutant(
        "second-result",
        "A second, different result of a finished job is acknowledged",
        f"{QUEUE}/__init__.py",
        "return scoring.graded_before(job) if given.is_same(job) else AlreadyGraded()",
        "return scoring.graded_before(job)",
        RESULTS,
        short=True,
    ),
    _mutant(
        "answer-before-work",
        "`put_result` answers 200 and runs the verb 50 ms later",
        "submissions/xqueue/views.py",
        "    done = queue.complete(result.submission_id, result.key, score=result.score, reply=result.reply)\n"
        "    if not result.is_complete:\n        queue.note_incomplete(done)\n",
        "    import threading\n\n"
        '    given = {"score": result.score, "reply": result.reply}\n'
        "    later = partial(queue.complete, result.submission_id, result.key, **given)\n"
        "    threading.Timer(0.05, later).start()\n",
        "tests/xqueue/test_put_result.py",
    ),
    _mutant(
        "halved-points",
        "Points are halved for one submission in 50",
        f"{QUEUE}/fast/__init__.py",
        '        "earned": points,\n',
        '        "earned": points / 2 if held.submission_id % 50 == 0 else points,\n',
        MANY,
    ),
    _mutant(
        "any-key",
        "The key is not compared",
        f"{QUEUE}/moves.py",
        "return bool(held) and constant_time_compare(",
        "return bool(held) or constant_time_compare(",
        STATES,
        short=True,
    ),
    _mutant(
        "older-attempt",
        "The result of an older attempt becomes the latest score",
        "submissions/models/score.py",
        "    return order < other\n",
        "    return False\n",
        RESULTS,
    ),
    _mutant(
        "above-maximum",
        "A score above the maximum is taken",
        "submissions/models/queue.py",
        "if not 0 <= score <= top:",
        "if not 0 <= score:",
        RESULTS,
    ),
    Mutant(
        "no-lock-statement",
        "A result's statement does not lock the job's row",
        (Edit(POSTGRESQL, "  FOR UPDATE\n), drawn", "), drawn"),),
        (RACES,),
        "postgresql",
    ),
    _mutant(
        "no-lock-verb",
        "The general verb reads the job without FOR UPDATE",
        f"{QUEUE}/moves.py",
        "    row = Job.objects.filter(submission_id=submission_id).order_by().locked().first()\n",
        "    rows = Job.objects.filter(submission_id=submission_id).order_by().locked()\n"
        "    rows.query.select_for_update = False\n"
        "    row = rows.first()\n",
        RACES,
        database="postgresql",
    ),
    # Claims.
    _mutant(
        "old-key",
        "A new claim of a job whose lease ran out keeps its old key",
        f"{QUEUE}/moves.py",
        "        pullkey=secrets.token_urlsafe(32),\n",
        "        pullkey=job.pullkey or secrets.token_urlsafe(32),\n",
        CLAIMS,
        short=True,
    ),
    _mutant(
        "short-lease",
        "The stored lease is a quarter of the promised one",
        f"{QUEUE}/fast/__init__.py",
        '"lease": terms.lease(queue.row),',
        '"lease": terms.lease(queue.row) // 4,',
        CLAIMS,
    ),
    _mutant(
        "no-lease",
        "One claim in 30 has a lease of 0 s",
        f"{QUEUE}/fast/sqlite.py",
        "pullkey = :key, available_at = :until,",
        "pullkey = :key, available_at = CASE WHEN id % 30 = 0 THEN :now ELSE :until END,",
        CLAIMS,
    ),
    Mutant(
        "claim-without-lock",
        "A claim takes no row lock and does not look again at the state",
        (
            Edit(
                POSTGRESQL,
                "ORDER BY available_at, id LIMIT 1 FOR UPDATE SKIP LOCKED",
                "ORDER BY available_at, id LIMIT 1",
            ),
            Edit(
                POSTGRESQL,
                "  WHERE j.id = picked.id AND j.status IN ('pending', 'retry')\n",
                "  WHERE j.id = picked.id\n",
            ),
        ),
        (RACES,),
        "postgresql",
    ),
    _mutant(
        "endless-poison",
        "A lost lease counts no failure: a job that kills graders never ends",
        f"{QUEUE}/moves.py",
        '    failures = job.num_failures + 1\n    reason = f"',
        '    failures = job.num_failures\n    reason = f"',
        STATES,
    ),
    _mutant(
        "paused-queue",
        "A paused queue hands out jobs",
        f"{QUEUE}/__init__.py",
        "    if queue.row.paused or queue.is_drained or pushing != bool(queue.row.push_url):\n",
        "    if queue.is_drained or pushing != bool(queue.row.push_url):\n",
        CLAIMS,
    ),
    _mutant(
        "open-queue",
        "Who has no grant for a closed queue gets its jobs",
        f"{QUEUE}/grants.py",
        "    if not found.is_open:\n        raise UnknownQueue\n",
        "",
        "tests/security/test_access.py",
    ),
    _mutant(
        "no-pause",
        "After a failure a job is offered again at once",
        "submissions/models/queue.py",
        "return int(min(first * 2 ** min(max(failures - 1, 0), 30), conf.BACKOFF_CEILING_SECONDS))",
        "return 0",
        STATES,
    ),
    _mutant(
        "retry-scored",
        "`retry` is allowed for a job that has its score",
        f"{QUEUE}/interventions.py",
        "    moves.require(locked, ONLY_FAILED, Status.FAILED)\n",
        "    moves.require(locked, ONLY_FAILED, Status.FAILED, Status.RETIRED)\n",
        STATES,
    ),
    # What was handed in.
    _mutant(
        "empty-files",
        "Files are stored empty",
        "submissions/files/storage.py",
        "row.file.save(name, File(content), save=False)",
        'row.file.save(name, prepare({"empty": b""})["empty"], save=False)',
        "tests/files/test_storage.py",
    ),
    _mutant(
        "one-file",
        "Of several files the first one is kept",
        "submissions/files/storage.py",
        "for name, content in prepare(files, queue).items():",
        "for name, content in list(prepare(files, queue).items())[:1]:",
        "tests/files/test_storage.py",
    ),
    _mutant(
        "file-names",
        "Graders are told file names that lead out of a folder",
        "submissions/files/names.py",
        'if part.strip(" .")) or UNNAMED',
        "if part) or UNNAMED",
        "tests/files/test_names.py",
    ),
    _mutant(
        "half-a-body",
        "A result whose sender was cut off counts like a whole one",
        "gradequeue/http/bodies.py",
        "            if len(found) < length:\n                return False\n",
        "",
        "tests/e2e/test_serve.py::test_a_result_that_broke_off_changes_nothing",
    ),
    # Deliveries.
    _mutant(
        "told-too-early",
        "A delivery is marked as delivered before it is sent",
        "submissions/deliveries/attempt.py",
        "    started = time.monotonic()\n    try:\n",
        "    started = time.monotonic()\n    claims.record_delivered([due])\n    try:\n",
        f"{SENDING}::test_a_platform_that_fails_three_times_in_ten_gets_everything",
        short=True,
    ),
    _mutant(
        "silent-hosts",
        "Hosts that have not answered may take all senders",
        "submissions/deliveries/worker.py",
        "return room if proven else min(room, self._for_untried - self._count(lambda place: place.untried))",
        "return room",
        f"{SENDING}::test_many_silent_hosts_leave_the_others_their_senders",
    ),
    # What stands around them.
    _mutant(
        "unsynced",
        "SQLite does not sync each commit",
        "gradequeue/env.py",
        "PRAGMA synchronous=FULL;",
        "PRAGMA synchronous=NORMAL;",
        "tests/strain/test_power_cut.py",
    ),
    _mutant(
        "private-hosts",
        "Results may be sent to the metadata of a cloud",
        "submissions/outbound/addresses.py",
        '        "168.63.129.16/32",  # Azure\'s metadata and health probes\n',
        "",
        "tests/deliveries/test_outbound.py",
    ),
    _mutant(
        "endless-address",
        "The signed address of a file never ends",
        "submissions/files/addresses.py",
        "    return time.time() < int(expires)\n",
        "    return True\n",
        "tests/files/test_addresses.py",
        "tests/files/test_download.py",
    ),
    _mutant(
        "no-throttle",
        "Guessing passwords costs no waiting",
        "submissions/accounts/throttle.py",
        "    if row.failures >= free:\n",
        "    if row.failures >= free * 1000:\n",
        "tests/security/test_throttle.py",
    ),
    _mutant(
        "blind-audit",
        "`audit` compares no score with its reply",
        "submissions/upkeep/numbers.py",
        "    if worth and not _is_among(earned, worth):\n",
        "    if worth and not earned:\n",
        AUDIT,
    ),
]
