"""The environment: each variable, also from a file, and a sentence for what stops the start."""

from __future__ import annotations

import json
import os
import re
import runpy
import socket
import subprocess
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

import gradequeue
from gradequeue import env
from tests.server import GRADEQUEUE, Server

pytestmark = pytest.mark.once

OURS = re.compile("GRADEQUEUE_|DATABASE_URL|CACHE_URL|DJANGO_|PYTHONDONTWRITEBYTECODE")


def run(folder: Path, *words: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in this folder, with nothing of ours in its environment but what is given."""
    variables = {name: value for name, value in os.environ.items() if not OURS.match(name)}
    variables |= environment
    return subprocess.run(
        [GRADEQUEUE, *words], env=variables, cwd=folder, input=given, capture_output=True, text=True, timeout=120
    )


class Environment:
    """Reads the service's settings anew, in a folder and an environment of the test's own."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, patch
        patch.chdir(folder)
        for name in [name for name in os.environ if OURS.match(name)]:
            patch.delenv(name)

    def settings(self, **environment: str) -> dict[str, Any]:
        for name, value in environment.items():
            self.patch.setenv(name, value)
        return runpy.run_path(str(Path(gradequeue.__file__).with_name("settings.py")))

    def wrong(self, **environment: str) -> str:
        """The sentence with which these are refused."""
        with pytest.raises(ImproperlyConfigured) as refused:
            self.settings(**environment)
        return str(refused.value)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    return Environment(tmp_path, monkeypatch)


# What is right. -----------------------------------------------------------------------------------------------------


def test_with_nothing_set_all_is_below_the_folder_data(environment: Environment) -> None:
    data = environment.folder / "data"
    found = environment.settings()
    database = found["DATABASES"]["default"]
    assert (database["ENGINE"], database["NAME"]) == ("django.db.backends.sqlite3", str(data / "gradequeue.sqlite3"))
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert found["STORAGES"]["default"] == {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": str(data / "files"),
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    }
    assert found["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]"]
    assert (found["DEBUG"], found["SESSION_COOKIE_SECURE"], found["SECURE_PROXY_SSL_HEADER"]) == (False, False, None)


def test_a_secret_is_made_once_and_kept_to_its_owner(environment: Environment) -> None:
    secret = environment.settings()["SECRET_KEY"]
    kept = environment.folder / "data" / "secret_key"
    assert (kept.read_text(), kept.stat().st_mode & 0o777, len(secret) > 50) == (secret, 0o600, True)
    assert environment.settings()["SECRET_KEY"] == secret


GIVEN = {
    "DATABASE_URL": "postgres://us%40er:p%2Fw$d@db.example:5433/grades?sslmode=require",
    "GRADEQUEUE_ENV": "production",
    "GRADEQUEUE_SECRET_KEY": "$not a variable",
    "GRADEQUEUE_ALLOWED_HOSTS": "queue.example.org, 10.0.0.1",
    "GRADEQUEUE_BASE_URL": "https://queue.example.org:8443/",
    "GRADEQUEUE_LEASE_SECONDS": "42",
    "GRADEQUEUE_TRUSTED_PROXIES": "1",
    "GRADEQUEUE_STORAGE_URL": "s3://key%2Fid:se%2Fcret@course-files/sub?region_name=eu-west-1&use_ssl=false",
    "CACHE_URL": "dbcache://kept",
    "GRADEQUEUE_LOG_LEVEL": "ERROR",
}


@pytest.mark.parametrize("from_files", [False, True], ids=["as values", "as files"])
def test_each_variable_is_honoured(environment: Environment, from_files: bool) -> None:
    given = dict(GIVEN)
    if from_files:
        for name, value in GIVEN.items():
            (environment.folder / name).write_text(f"{value}\n")
        given = {f"{name}_FILE": str(environment.folder / name) for name in GIVEN}
    found = environment.settings(**given)
    database = found["DATABASES"]["default"]
    assert {name: database[name] for name in ("ENGINE", "USER", "PASSWORD", "HOST", "PORT", "NAME", "OPTIONS")} == {
        "ENGINE": "django.db.backends.postgresql",
        "USER": "us@er",
        "PASSWORD": "p/w$d",
        "HOST": "db.example",
        "PORT": 5433,
        "NAME": "grades",
        "OPTIONS": {
            "sslmode": "require",
            "connect_timeout": 5,
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 60_000,
        },
    }
    assert found["STORAGES"]["default"] == {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": "course-files",
            "location": "sub",
            "signature_version": "s3v4",
            "region_name": "eu-west-1",
            "use_ssl": False,
            "access_key": "key/id",
            "secret_key": "se/cret",
        },
    }
    assert found["CACHES"]["default"] == {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "kept",
    }
    assert found["LOGGING"]["loggers"]["submissions"]["level"] == "ERROR"
    names = ("SECRET_KEY", "ALLOWED_HOSTS", "SUBMISSIONS_BASE_URL", "SUBMISSIONS_LEASE_SECONDS")
    assert [found[name] for name in names] == [
        "$not a variable",
        ["queue.example.org", "10.0.0.1"],
        "https://queue.example.org:8443",
        42,
    ]
    # Production: cookies go over https alone, and the proxy that is counted says whether it is.
    assert (found["SESSION_COOKIE_SECURE"], found["SECURE_PROXY_SSL_HEADER"]) == (
        True,
        ("HTTP_X_FORWARDED_PROTO", "https"),
    )
    assert not (environment.folder / "data" / "secret_key").exists()


def test_each_limit_is_honoured(environment: Environment) -> None:
    given = {
        "QUEUE_MAX_WAITING": 1000,
        "STUDENT_MAX_WAITING": 5,
        "FILES_MAX_COUNT": 3,
        "FILE_MAX_BYTES": 1024,
        "FILES_MAX_BYTES": 2048,
    }
    usual = environment.settings()
    assert [usual[f"SUBMISSIONS_{name}"] for name in given] == [0, 0, 100, 52428800, 104857600]
    found = environment.settings(**{f"GRADEQUEUE_{name}": str(value) for name, value in given.items()})
    assert {name: found[f"SUBMISSIONS_{name}"] for name in given} == given


def test_each_variable_of_deliveries_is_honoured(environment: Environment) -> None:
    certificates = environment.folder / "ca.pem"
    certificates.touch()
    found = environment.settings(
        GRADEQUEUE_NOTIFY_FAILURES="no",
        GRADEQUEUE_FAILURE_NOTICE_SECONDS="0",
        GRADEQUEUE_CALLBACK_HOSTS="lms.example.org, *.example.net",
        GRADEQUEUE_CALLBACK_AUTH="lms:p@ss:word@LMS.example.org, a:b@other.example.org",
        GRADEQUEUE_WEBHOOK_URL="https://hooks.example.org/in?key=1",
        GRADEQUEUE_WEBHOOK_SECRETS="whsec_a, whsec_b",
        GRADEQUEUE_OUTBOUND_NETWORKS="10.0.0.0/8,fd00::/8",
        GRADEQUEUE_OUTBOUND_CA_FILE=str(certificates),
        GRADEQUEUE_EVENT_BUS_URL="redis://bus.example.org/0",
        GRADEQUEUE_EVENT_BUS_PREFIX="prod",
        GRADEQUEUE_EVENT_BUS_TOPIC="grades",
    )
    assert {name: found[f"SUBMISSIONS_{name}"] for name in OF_DELIVERIES} == {
        "NOTIFY_FAILURES": False,
        "FAILURE_NOTICE_SECONDS": 0,
        "CALLBACK_HOSTS": ["lms.example.org", "*.example.net"],
        "CALLBACK_AUTH": {"lms.example.org": "lms:p@ss:word", "other.example.org": "a:b"},
        "WEBHOOK_URL": "https://hooks.example.org/in?key=1",
        "WEBHOOK_SECRETS": ["whsec_a", "whsec_b"],
        "OUTBOUND_NETWORKS": ["10.0.0.0/8", "fd00::/8"],
        "OUTBOUND_CA_FILE": str(certificates),
        "TRANSPORTS": ["event"],
        "DELIVER_AT_ONCE": False,
    }
    assert found["EVENT_BUS_REDIS_CONNECTION_URL"] == (
        "redis://bus.example.org/0?socket_timeout=10&socket_connect_timeout=5"
    )
    assert found["EVENT_BUS_TOPIC_PREFIX"] == "prod"
    assert list(found["EVENT_BUS_PRODUCER_CONFIG"].values()) == [
        {"grades": {"event_key_field": "score.submission_id", "enabled": True}}
    ]
    assert "openedx_events" in found["INSTALLED_APPS"]


OF_DELIVERIES = (
    "NOTIFY_FAILURES",
    "FAILURE_NOTICE_SECONDS",
    "CALLBACK_HOSTS",
    "CALLBACK_AUTH",
    "WEBHOOK_URL",
    "WEBHOOK_SECRETS",
    "OUTBOUND_NETWORKS",
    "OUTBOUND_CA_FILE",
    "TRANSPORTS",
    "DELIVER_AT_ONCE",
)


def test_s3_from_the_environment_signs_for_itself(tmp_path: Path) -> None:
    asked = "from django.core.files.storage import default_storage; print(default_storage.url('q/a'))"
    environment = {"GRADEQUEUE_STORAGE_URL": "s3://key:secret@course-files/sub?endpoint_url=https://s3.example.org"}
    done = run(tmp_path, "shell", "--no-imports", "-c", asked, **environment)
    assert done.stdout.startswith("https://s3.example.org/course-files/sub/q/a?X-Amz-Algorithm=AWS4-HMAC-SHA256&")


# What is wrong. -----------------------------------------------------------------------------------------------------

NO_STORAGE = "GRADEQUEUE_STORAGE_URL cannot be read; it is s3://KEY:SECRET@bucket, with %2F for a / in the secret."
NO_DATABASE = (
    "DATABASE_URL cannot be read; it is scheme://user:password@host:port/name, with %40 for an @ in a password."
)
S3_OPTIONS = (
    "region_name, endpoint_url, addressing_style, signature_version, custom_domain, default_acl, "
    "querystring_auth, use_ssl, verify"
)
ACCOUNTS = "GRADEQUEUE_CALLBACK_AUTH must be user:password@host, with commas between several."
NETWORKS = (
    "GRADEQUEUE_OUTBOUND_NETWORKS must be networks such as 10.0.0.0/8, with commas between several, not '10.0.0.0/99'."
)
HOSTS = (
    "GRADEQUEUE_ALLOWED_HOSTS must be names of hosts such as queue.example.org, with commas between several, without "
    "https:// and without a port, not"
)
WHOLE = "must be a whole number of 1 or more, not"
ADDRESS = "GRADEQUEUE_BASE_URL must begin with https:// or http:// and name a host, not"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DATABASE_URL", "garbage", NO_DATABASE),
        ("DATABASE_URL", "", NO_DATABASE),
        ("DATABASE_URL", "postgres://user:secret/x@host:5432/name", NO_DATABASE),
        ("DATABASE_URL", "sqlite://host/path", NO_DATABASE),
        ("DATABASE_URL", "oracle://u:secret@h/n", "DATABASE_URL must begin with sqlite:///, postgres:// or mysql://."),
        ("DATABASE_URL", "http://u:secret@h/n", "DATABASE_URL must begin with sqlite:///, postgres:// or mysql://."),
        (
            "DATABASE_URL",
            "sqlite://",
            "DATABASE_URL must name a database: sqlite:///path, postgres://host/name.",
        ),
        (
            "DATABASE_URL",
            "postgres://h1,h2:5433/name",
            "DATABASE_URL must name a port for each of its hosts, or for none.",
        ),
        ("DATABASE_URL", "postgres://h/", "DATABASE_URL must name a database: sqlite:///path, postgres://host/name."),
        (
            "DATABASE_URL",
            "sqlite:////tmp/x.sqlite3?wait=1",
            "DATABASE_URL: wait is not one of timeout, transaction_mode, init_command, cached_statements.",
        ),
        ("GRADEQUEUE_STRICT_QUEUES", "true", "GRADEQUEUE_STRICT_QUEUES must be one of yes, no, not 'true'."),
        ("GRADEQUEUE_PUSH_TIMEOUT_SECONDS", "0", f"GRADEQUEUE_PUSH_TIMEOUT_SECONDS {WHOLE} '0'."),
        ("GRADEQUEUE_LEASE_SECONDS", "abc", f"GRADEQUEUE_LEASE_SECONDS {WHOLE} 'abc'."),
        ("GRADEQUEUE_LEASE_SECONDS", "0", f"GRADEQUEUE_LEASE_SECONDS {WHOLE} '0'."),
        ("GRADEQUEUE_LEASE_SECONDS", "-5", f"GRADEQUEUE_LEASE_SECONDS {WHOLE} '-5'."),
        ("GRADEQUEUE_LEASE_SECONDS", "5.0", f"GRADEQUEUE_LEASE_SECONDS {WHOLE} '5.0'."),
        ("GRADEQUEUE_LEASE_SECONDS", "٣", f"GRADEQUEUE_LEASE_SECONDS {WHOLE} '٣'."),
        ("GRADEQUEUE_LEASE_SECONDS", "", f"GRADEQUEUE_LEASE_SECONDS {WHOLE} ''."),
        (
            "GRADEQUEUE_FAILURE_NOTICE_SECONDS",
            "2147483648",
            "GRADEQUEUE_FAILURE_NOTICE_SECONDS must be 2147483647 at the most, not '2147483648'.",
        ),
        (
            "GRADEQUEUE_FILE_MAX_BYTES",
            "9" * 5000,
            f"GRADEQUEUE_FILE_MAX_BYTES must be 9223372036854775807 at the most, not '{'9' * 60}'.",
        ),
        ("GRADEQUEUE_DATA", "", "GRADEQUEUE_DATA must name a folder."),
        ("GRADEQUEUE_ENV", "prod", "GRADEQUEUE_ENV must be one of local, production, not 'prod'."),
        (
            "GRADEQUEUE_ENV",
            "production",
            "GRADEQUEUE_SECRET_KEY must be set where GRADEQUEUE_ENV is production.",
        ),
        ("GRADEQUEUE_ALLOWED_HOSTS", "https://queue.example.org", f"{HOSTS} 'https://queue.example.org'."),
        ("GRADEQUEUE_ALLOWED_HOSTS", "a.example.org, queue.example.org:443", f"{HOSTS} 'queue.example.org:443'."),
        ("GRADEQUEUE_ALLOWED_HOSTS", "*.example.org", f"{HOSTS} '*.example.org'."),
        ("GRADEQUEUE_ALLOWED_HOSTS", "::1", f"{HOSTS} '::1'."),
        ("GRADEQUEUE_BASE_URL", "queue.example.org", f"{ADDRESS} 'queue.example.org'."),
        ("GRADEQUEUE_BASE_URL", "ftp://queue.example.org", f"{ADDRESS} 'ftp://queue.example.org'."),
        ("GRADEQUEUE_BASE_URL", "https://", f"{ADDRESS} 'https://'."),
        ("GRADEQUEUE_BASE_URL", "https://[::1", f"{ADDRESS} 'https://[::1'."),
        ("GRADEQUEUE_BASE_URL", "https://host:port", f"{ADDRESS} 'https://host:port'."),
        ("GRADEQUEUE_BASE_URL", "https://host/?a=b", f"{ADDRESS} 'https://host/?a=b'."),
        (
            "GRADEQUEUE_STORAGE_URL",
            "ftp://host/path",
            "GRADEQUEUE_STORAGE_URL must begin with file:/// or s3://bucket.",
        ),
        ("GRADEQUEUE_STORAGE_URL", "", "GRADEQUEUE_STORAGE_URL must begin with file:/// or s3://bucket."),
        ("GRADEQUEUE_STORAGE_URL", "s3://", "GRADEQUEUE_STORAGE_URL must begin with file:/// or s3://bucket."),
        ("GRADEQUEUE_STORAGE_URL", "s3://[x", "GRADEQUEUE_STORAGE_URL must begin with file:/// or s3://bucket."),
        ("GRADEQUEUE_STORAGE_URL", "file://data", "GRADEQUEUE_STORAGE_URL must begin with file:/// or s3://bucket."),
        ("GRADEQUEUE_STORAGE_URL", "s3://KEY:se/cret@bucket?region_name=x", NO_STORAGE),
        ("GRADEQUEUE_STORAGE_URL", "s3://KEY:/secret@bucket", NO_STORAGE),
        ("GRADEQUEUE_STORAGE_URL", "s3://KEY:se?cret@bucket", NO_STORAGE),
        (
            "GRADEQUEUE_STORAGE_URL",
            "s3://b?use_ssl=maybe",
            "GRADEQUEUE_STORAGE_URL: use_ssl must be true or false, not 'maybe'.",
        ),
        (
            "GRADEQUEUE_STORAGE_URL",
            "s3://b?regionname=x",
            f"GRADEQUEUE_STORAGE_URL: regionname is not one of {S3_OPTIONS}.",
        ),
        (
            "CACHE_URL",
            "carrier-pigeon://host",
            "CACHE_URL cannot be read; it is scheme://user:password@host:port/name, with %40 for an @ in a password.",
        ),
        (
            "GRADEQUEUE_LOG_LEVEL",
            "LOUD",
            "GRADEQUEUE_LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, not 'LOUD'.",
        ),
        ("GRADEQUEUE_NOTIFY_FAILURES", "maybe", "GRADEQUEUE_NOTIFY_FAILURES must be one of yes, no, not 'maybe'."),
        ("GRADEQUEUE_CALLBACK_AUTH", "lms.example.org", ACCOUNTS),
        ("GRADEQUEUE_CALLBACK_AUTH", "lms@lms.example.org", ACCOUNTS),
        (
            "GRADEQUEUE_OUTBOUND_NETWORKS",
            "10.0.0.0/8, 10.0.0.0/99",
            NETWORKS,
        ),
        (
            "GRADEQUEUE_OUTBOUND_CA_FILE",
            "/no/such/file",
            "GRADEQUEUE_OUTBOUND_CA_FILE: /no/such/file cannot be read: No such file or directory.",
        ),
        (
            "GRADEQUEUE_EVENT_BUS_URL",
            "kafka://host",
            "GRADEQUEUE_EVENT_BUS_URL must begin with redis:// or rediss://.",
        ),
        (
            "GRADEQUEUE_WEBHOOK_URL",
            "hooks.example.org",
            "GRADEQUEUE_WEBHOOK_URL must begin with https:// or http:// and name a host, not 'hooks.example.org'.",
        ),
        (
            "GRADEQUEUE_SECRET_KEY_FILE",
            "/no/such/file",
            "GRADEQUEUE_SECRET_KEY_FILE: /no/such/file cannot be read: No such file or directory.",
        ),
        ("GRADEQUEUE_LEASE_SECONDS_FILE", "/", "GRADEQUEUE_LEASE_SECONDS_FILE: / cannot be read: Is a directory."),
    ],
)
def test_a_wrong_value_is_one_sentence(environment: Environment, name: str, value: str, sentence: str) -> None:
    assert environment.wrong(**{name: value}) == sentence


def test_production_names_its_hosts(environment: Environment) -> None:
    assert environment.wrong(GRADEQUEUE_ENV="production", GRADEQUEUE_SECRET_KEY="secret") == (
        "GRADEQUEUE_ALLOWED_HOSTS must name the hosts served where GRADEQUEUE_ENV is production."
    )


def test_a_database_in_a_folder_that_is_not_there_is_told(environment: Environment) -> None:
    for url, folder in (("sqlite:////no/such/db.sqlite3", "/no/such"), ("sqlite:///a/b", f"{environment.folder}/a")):
        sentence = f"DATABASE_URL: there is no folder {folder}; a path from / on has four slashes."
        assert environment.wrong(DATABASE_URL=url) == sentence


def test_a_folder_or_a_secret_that_cannot_be_is_told(environment: Environment) -> None:
    folder = environment.folder
    (folder / "file").touch()
    assert environment.wrong(GRADEQUEUE_DATA=str(folder / "file" / "data")) == (
        f"GRADEQUEUE_DATA: {folder}/file/data cannot be made: Not a directory."
    )
    (folder / "one" / "secret_key").mkdir(parents=True)
    assert environment.wrong(GRADEQUEUE_DATA=str(folder / "one")) == (
        f"GRADEQUEUE_DATA: {folder}/one/secret_key cannot be kept: Is a directory."
    )
    (folder / "two").mkdir()
    (folder / "two" / "secret_key").touch()
    assert environment.wrong(GRADEQUEUE_DATA=str(folder / "two")) == (
        f"{folder}/two/secret_key is empty; delete it, and a new key is made."
    )


@pytest.mark.parametrize("command", ["serve", "migrate", "enqueue", "help"])
def test_it_stops_every_command_but_help(tmp_path: Path, command: str) -> None:
    done = run(tmp_path, command, GRADEQUEUE_LEASE_SECONDS="abc")
    sentence = f"GRADEQUEUE_LEASE_SECONDS {WHOLE} 'abc'."
    if command == "help":
        assert done.returncode == 0
        assert sentence in done.stdout
    else:
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"gradequeue: {sentence}\n")


# A database that is not there. --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nobody() -> int:
    """A port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_mysql_that_does_not_answer_is_told(tmp_path: Path, nobody: int) -> None:
    assert_told(run(tmp_path, "serve", DATABASE_URL=f"mysql://gq:secret@127.0.0.1:{nobody}/gq"))


@pytest.mark.parametrize(
    "words",
    [
        ("serve",),
        ("serve", "--migrate"),
        ("migrate",),
        ("queues",),
        ("enqueue",),
        ("show", "1"),
        ("retry", "1"),
        ("grader", "list"),
    ],
)
def test_no_command_ends_in_a_traceback_for_it(tmp_path: Path, nobody: int, words: tuple[str, ...]) -> None:
    line = json.dumps({"queue_name": "q", "course_id": "c", "item_id": "i", "student_id": "s", "answer": ""})
    assert_told(run(tmp_path, *words, given=line, DATABASE_URL=f"postgres://gq:secret@127.0.0.1:{nobody}/gq"))


def test_certificates_for_mysql_come_as_its_driver_takes_them() -> None:
    found = env.database_at("mysql://u:p@h:3306/x?ssl_ca=/ca.pem&ssl_key=/key.pem&connect_timeout=5")
    assert found["OPTIONS"] == {"ssl": {"ca": "/ca.pem", "key": "/key.pem"}, "connect_timeout": 5}
    with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL: sslca is not one of ssl_ca, ssl_cert, "):
        env.database_at("mysql://u:p@h:3306/x?sslca=/ca.pem")


def test_a_sqlite_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    done = run(tmp_path, "queues", DATABASE_URL=f"sqlite:///{tmp_path}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "CommandError: The database cannot be used: unable to open database file\n"


def assert_told(done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stdout) == (1, "")
    assert re.match("(gradequeue|CommandError): The database cannot be used: ", done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [("queues",), ("enqueue",), ("grader", "list")])
def test_a_database_without_tables_is_told(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = run(tmp_path, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "CommandError: The database has no tables yet; run 'gradequeue migrate' first.\n"


# The command itself. ------------------------------------------------------------------------------------------------


def test_help_has_a_sentence_for_each_command(tmp_path: Path) -> None:
    text = run(tmp_path, "help").stdout
    assert run(tmp_path).stdout == text
    assert text.startswith("gradequeue COMMAND [...]; 'gradequeue COMMAND --help' says what it takes.\n")
    told = dict(re.findall(r"^  (\S+)\s+(\S[^\n]+)", text, re.MULTILINE))
    named = {"serve", "grader", "enqueue", "show", "queues", "retry", "retire", "release", "audit", "demo"}
    assert named <= set(told)
    assert all(len(sentence) > 20 and sentence[0].isupper() for sentence in told.values())
    assert "createsuperuser" in text
    assert "migrate" in text


def test_each_command_says_what_it_takes(tmp_path: Path) -> None:
    done = run(tmp_path, "help", "retire")
    assert done.returncode == 0
    assert "End unfinished jobs without a score." in done.stdout
    assert "--all-matching" in done.stdout


def test_its_version_is_ours(tmp_path: Path) -> None:
    assert run(tmp_path, "--version").stdout == f"{gradequeue.__version__}\n"


def test_a_command_that_does_not_exist_is_wrong_usage(tmp_path: Path) -> None:
    done = run(tmp_path, "queus")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Unknown command: 'queus'. Did you mean queues?\nType 'gradequeue help' for usage.\n"


@pytest.mark.parametrize("words", ["show --json", "show"])
def test_a_reader_that_goes_away_is_no_error(server: Server, name: str, words: str) -> None:
    (submission_id,) = server.enqueue({"queue_name": name})
    ids = f"{submission_id}\n" * 2000
    done = subprocess.run(
        f"{GRADEQUEUE} {words} | head -1",
        shell=True,
        env=server.env,
        input=ids,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_the_networks_of_monitors_are_networks(environment: Environment) -> None:
    found = environment.settings(GRADEQUEUE_METRICS_NETWORKS="10.0.0.0/8, fd00::/8")
    assert found["METRICS_NETWORKS"] == [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
    assert "GRADEQUEUE_METRICS_NETWORKS must be networks" in environment.wrong(GRADEQUEUE_METRICS_NETWORKS="10.0.0.1/8")
