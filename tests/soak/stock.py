"""Jobs for a soak, by SQL: as day after day the same learners hand in, one attempt each a round.

One job in OWED_EVERY owes its result to a platform.
"""

from __future__ import annotations

from hashlib import sha256
from urllib.parse import urlsplit

from benchmarks import seed
from benchmarks.databases import Database

OWED_EVERY = 10


def lay_in(database: Database, learners: int) -> None:
    """The learners and their items; there may be nothing yet."""
    seed._prepare_connection(database)
    seed._insert(database, "submissions_studentitem", learners, seed._items())


def top_up(database: Database, learners: int, attempt: int, platform: str) -> None:
    """One more waiting job of each learner. `attempt`: which one of theirs, from 1 on; `platform`: an address."""
    made = seed.Made(_now(database.kind), seed.UUID[database.kind], after=(attempt - 1) * learners, attempt=attempt)
    seed._insert(database, "submissions_submission", learners, seed._attempts(made))
    seed._insert(database, seed.JOBS, learners, seed._jobs(made) | seed._waiting_ours(made))
    seed._insert(database, seed.DELIVERIES, learners // OWED_EVERY, _owed(made, platform))


def _now(kind: str) -> str:
    return seed.AGO[kind].format("0")


def _owed(made: seed.Made, platform: str) -> seed.Columns:
    columns = seed._deliveries(made, "webhook")
    return columns | {
        "id": f"{made.after // OWED_EVERY} + i",
        "job_id": f"{made.after} + i * {OWED_EVERY}",
        "destination": f"'{platform}'",
        "destination_key": f"'{sha256(platform.encode()).hexdigest()}'",
        "host": f"'{urlsplit(platform).hostname}'",
    }
