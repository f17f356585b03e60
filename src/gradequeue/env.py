"""The environment, read once: every variable of the service, with a sentence where it is wrong."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import tempfile
import warnings
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from django.http.request import split_domain_port, validate_host

from submissions.conf import MOST

Settings: TypeAlias = dict[str, Any]

# NAME, or the content of the file that NAME_FILE names. The mapping, not the casts of Env: those take a secret that
# begins with a dollar sign for the name of another variable.
_environment = environ.FileAwareMapping(cache=False)


def text(name: str, default: str = "") -> str:
    try:
        return str(_environment.get(name, default)).strip()
    except (OSError, UnicodeError) as error:
        place = os.environ.get(f"{name}_FILE", "")
        raise ImproperlyConfigured(f"{name}_FILE: {place} cannot be read: {_reason(error)}.") from error


# A number of bytes may be larger than others.
MOST_BYTES = 2**63 - 1


def number(name: str, default: int, *, at_least: int = 1) -> int:
    given = text(name, str(default))
    # Python reads no number of thousands of digits.
    found = int(given[:100]) if given.isascii() and given.isdigit() else -1
    if found < at_least:
        raise ImproperlyConfigured(f"{name} must be a whole number of {at_least} or more, not {given!r}.")
    if found > (most := MOST_BYTES if name.endswith("_BYTES") else MOST):
        raise ImproperlyConfigured(f"{name} must be {most} at the most, not {given[:60]!r}.")
    return found


def choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    given = text(name, default)
    if given not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {given!r}.")
    return given


def names(name: str, default: list[str]) -> list[str]:
    return [part.strip() for part in text(name).split(",") if part.strip()] or default


def hosts(name: str, default: list[str]) -> list[str]:
    """As Django compares them with the host of a request: what would match none is refused."""
    found = names(name, default)
    for given in found:
        domain, port = split_domain_port(given.removeprefix("."))
        if given != "*" and (port or not domain or not validate_host(domain, [given])):
            raise ImproperlyConfigured(
                f"{name} must be names of hosts such as queue.example.org, with commas between several, without "
                f"https:// and without a port, not {given!r}."
            )
    return found


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    found = []
    for given in names(name, []):
        try:
            found.append(ip_network(given))
        except ValueError:
            raise ImproperlyConfigured(
                f"{name} must be networks such as 10.0.0.0/8, with commas between several, not {given!r}."
            ) from None
    return found


def web_address(name: str) -> str:
    given = text(name)
    if given and not _is_web_address(given):
        raise ImproperlyConfigured(f"{name} must begin with https:// or http:// and name a host, not {given!r}.")
    return given.rstrip("/")


def _is_web_address(given: str) -> bool:
    try:
        parts = urlsplit(given)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return False
    plain = not parts.query and not parts.fragment and given.isprintable() and " " not in given
    return parts.scheme in ("http", "https") and bool(parts.hostname) and plain


def destination(name: str) -> str:
    """An address to send to, as it is."""
    given = text(name)
    if given and not _is_web_address(given.partition("?")[0]):
        raise ImproperlyConfigured(f"{name} must begin with https:// or http:// and name a host, not {given!r}.")
    return given


def accounts(name: str) -> dict[str, str]:
    """``user:password@host``, with commas between several: host to user:password."""
    found = {}
    for part in names(name, []):
        account, _, host = part.rpartition("@")
        if not host or not account.partition(":")[2]:
            raise ImproperlyConfigured(f"{name} must be user:password@host, with commas between several.")
        found[host.lower()] = account
    return found


def readable_file(name: str) -> str:
    given = text(name)
    try:
        if given:
            Path(given).read_bytes()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}: {given} cannot be read: {_reason(error)}.") from error
    return given


def event_bus() -> str:
    """GRADEQUEUE_EVENT_BUS_URL, the Redis of Open edX's event bus."""
    given = text("GRADEQUEUE_EVENT_BUS_URL")
    if given and not given.startswith(("redis://", "rediss://")):
        raise ImproperlyConfigured("GRADEQUEUE_EVENT_BUS_URL must begin with redis:// or rediss://.")
    if given:
        _require("edx_event_bus_redis", "GRADEQUEUE_EVENT_BUS_URL", "openedx")
    if not given or "socket_timeout" in given:
        return given
    # Without these a Redis behind a dead line would hold a delivery for minutes.
    return f"{given}{'&' if '?' in given else '?'}socket_timeout=10&socket_connect_timeout=5"


def data_folder() -> Path:
    given = text("GRADEQUEUE_DATA", "./data")
    if not given:
        raise ImproperlyConfigured("GRADEQUEUE_DATA must name a folder.")
    folder = Path(given).expanduser().resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ImproperlyConfigured(f"GRADEQUEUE_DATA: {folder} cannot be made: {_reason(error)}.") from error
    return folder


def secret_key(folder: Path, *, production: bool) -> str:
    """GRADEQUEUE_SECRET_KEY; for local use one is made and kept in the data folder."""
    given = text("GRADEQUEUE_SECRET_KEY")
    if given:
        return given
    if production:
        raise ImproperlyConfigured("GRADEQUEUE_SECRET_KEY must be set where GRADEQUEUE_ENV is production.")
    kept = folder / "secret_key"
    try:
        if not kept.exists():
            _write_once(kept, secrets.token_urlsafe(50))
        key = kept.read_text().strip()
    except (OSError, UnicodeError) as error:
        raise ImproperlyConfigured(f"GRADEQUEUE_DATA: {kept} cannot be kept: {_reason(error)}.") from error
    if not key:
        raise ImproperlyConfigured(f"{kept} is empty; delete it, and a new key is made.")
    return key


def _write_once(path: Path, content: str) -> None:
    """Whole or not at all: of two processes that start at once, the second one uses what the first one wrote."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent) as draft:  # readable by its owner alone
        draft.write(content)
        draft.flush()
        with contextlib.suppress(FileExistsError):
            os.link(draft.name, path)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def database(folder: Path) -> Settings:
    """DATABASE_URL as Django's settings, with what a queue needs of each database."""
    found = database_at(text("DATABASE_URL", f"sqlite:///{folder / 'gradequeue.sqlite3'}"))
    kind = found["ENGINE"].rpartition(".")[2]
    found["OPTIONS"] = {**_TUNED[kind], **found.get("OPTIONS", {})}
    found.setdefault("CONN_MAX_AGE", 600)
    found.setdefault("CONN_HEALTH_CHECKS", True)
    # ?prepare=false tells of a pooler, which is noticed without it, too (gradequeue.processes.connections).
    prepares = found["OPTIONS"].pop("prepare", True)
    found["DISABLE_SERVER_SIDE_CURSORS"] = prepares in (False, "false", "0", "no")
    return found


def database_at(url: str) -> Settings:
    """A URL of a database as Django's settings."""
    found = _parsed("DATABASE_URL", url, environ.Env.db_url_config)
    kind = str(found.get("ENGINE", "")).rpartition(".")[2]
    if kind not in _TUNED:
        raise ImproperlyConfigured("DATABASE_URL must begin with sqlite:///, postgres:// or mysql://.")
    if found["NAME"] in ("", ":memory:"):
        raise ImproperlyConfigured("DATABASE_URL must name a database: sqlite:///path, postgres://host/name.")
    if not _has_port_of_each(str(found["HOST"]).split(","), str(found["PORT"]).split(",")):
        raise ImproperlyConfigured("DATABASE_URL must name a port for each of its hosts, or for none.")
    if kind in _DRIVERS:
        _require(_DRIVERS[kind], "DATABASE_URL", kind)
    # SQLite says of it only that a file cannot be opened, and three slashes mean another place than four.
    elif not (folder := Path(found["NAME"]).absolute().parent).is_dir():
        raise ImproperlyConfigured(f"DATABASE_URL: there is no folder {folder}; a path from / on has four slashes.")
    if kind in _OPTIONS:
        _require_options(found.get("OPTIONS", {}), _OPTIONS[kind])
    return found


def _require_options(options: Settings, known: tuple[str, ...]) -> None:
    """These drivers raise a TypeError; PostgreSQL's has a sentence of its own."""
    if unknown := sorted(set(options) - {*known, "prepare"}):
        raise ImproperlyConfigured(f"DATABASE_URL: {unknown[0]} is not one of {', '.join(known)}.")
    _gather_tls(options)


def _gather_tls(options: Settings) -> None:
    """``ssl_ca``, ``ssl_cert`` and ``ssl_key`` as mysqlclient and Django's `dbshell` take them: in one dict."""
    if files := {name: options.pop(f"ssl_{name}") for name in ("ca", "cert", "key") if f"ssl_{name}" in options}:
        options["ssl"] = files


def _has_port_of_each(hosts: list[str], ports: list[str]) -> bool:
    """Of a list, host:port,host:port. PostgreSQL's client would give one port to a host that it was not meant for."""
    return len(hosts) == 1 or ports == [""] or len(ports) == len(hosts)


def _parsed(name: str, given: str, parse: Callable[[str], Settings]) -> Settings:
    """What `parse` makes of a variable's value. Its own words are not repeated: they may hold a part of a password."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return dict(parse(given))
    except Exception:  # each parser has exceptions of its own
        raise ImproperlyConfigured(
            f"{name} cannot be read; it is scheme://user:password@host:port/name, with %40 for an @ in a password."
        ) from None


# Each comes with the extra of the same name as the database.
_DRIVERS = {"postgresql": "psycopg", "mysql": "MySQLdb"}

# What a query may say after the name: what drivers and Django take, as far as it is of use here.
_OPTIONS = {
    "sqlite3": ("timeout", "transaction_mode", "init_command", "cached_statements"),
    "mysql": (
        *("ssl_ca", "ssl_cert", "ssl_key", "ssl_mode", "connect_timeout", "read_timeout", "write_timeout", "compress"),
        *("unix_socket", "charset", "collation", "sql_mode", "init_command", "isolation_level", "auth_plugin"),
        *("server_public_key_path", "read_default_file", "read_default_group"),
    ),
}

_TUNED: dict[str, Settings] = {
    # IMMEDIATE: a claim reads and then writes; begun as a reader it could not become the writer. FULL: with NORMAL a
    # power cut undoes what was answered since the last checkpoint, a thousand pages or so.
    "sqlite3": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    },
    # A connection whose other end is gone without a word is given up after about a minute, not after hours. A host that
    # stands still takes connections and says nothing: after as long as a grader waits, the next of a list is asked.
    "postgresql": {
        "connect_timeout": 5,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
    },
    # Under REPEATABLE READ, MySQL's default, claims would lock the gaps between jobs.
    "mysql": {"charset": "utf8mb4", "isolation_level": "read committed"},
}


def cache() -> Settings:
    if not text("CACHE_URL"):
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    found = _parsed("CACHE_URL", text("CACHE_URL"), environ.Env.cache_url_config)
    if "Redis" in found["BACKEND"]:
        _require("redis", "CACHE_URL", "redis")
    return found


_SMTP_PORTS = {"smtp": 25, "smtp+tls": 587, "smtp+ssl": 465}


def smtp() -> Settings | None:
    """EMAIL_URL (``smtp+tls://user:password@host:587``) as Django's SMTP backend takes it; None: not set."""
    given = text("EMAIL_URL")
    if not given:
        return None
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in _SMTP_PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ImproperlyConfigured(
            "EMAIL_URL must be smtp://, smtp+tls:// or smtp+ssl:// and user:password@host:port, with %40 for an @ in a "
            "password."
        )
    return {
        "host": parts.hostname,
        "port": port or _SMTP_PORTS[parts.scheme],
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "use_tls": parts.scheme == "smtp+tls",
        "use_ssl": parts.scheme == "smtp+ssl",
    }


# What a query may say after s3://bucket, and how it is read.
_S3_TEXTS = ("region_name", "endpoint_url", "addressing_style", "signature_version", "custom_domain", "default_acl")
_S3_FLAGS = ("querystring_auth", "use_ssl", "verify")


def storage(folder: Path) -> Settings:
    """GRADEQUEUE_STORAGE_URL: ``file:///path``, or ``s3://key:secret@bucket/folder?region_name=...``."""
    url = text("GRADEQUEUE_STORAGE_URL", (folder / "files").as_uri())
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        place = unquote(parts.path)
        private = {"file_permissions_mode": 0o600, "directory_permissions_mode": 0o700}
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": place, **private},
        }
    if parts.scheme != "s3" or not parts.hostname:
        raise ImproperlyConfigured("GRADEQUEUE_STORAGE_URL must begin with file:/// or s3://bucket.")
    # Half of all secrets have a slash, and what stands before it would be taken for the bucket.
    if ":" in parts.netloc.rpartition("@")[2]:
        raise ImproperlyConfigured(
            "GRADEQUEUE_STORAGE_URL cannot be read; it is s3://KEY:SECRET@bucket, with %2F for a / in the secret."
        )
    _require("boto3", "GRADEQUEUE_STORAGE_URL", "s3")
    options: dict[str, str | bool] = {"bucket_name": parts.hostname, "location": unquote(parts.path).strip("/")}
    # Each S3 takes version 4, and some take no other.
    options |= {"signature_version": "s3v4"} | _s3_options(parts.query)
    if parts.username:
        options["access_key"], options["secret_key"] = unquote(parts.username), unquote(parts.password or "")
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}


def _s3_options(query: str) -> dict[str, str | bool]:
    options: dict[str, str | bool] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in _S3_TEXTS:
            options[name] = value
        elif name in _S3_FLAGS and value in ("true", "false"):
            options[name] = value == "true"
        elif name in _S3_FLAGS:
            raise ImproperlyConfigured(f"GRADEQUEUE_STORAGE_URL: {name} must be true or false, not {value!r}.")
        else:
            known = ", ".join((*_S3_TEXTS, *_S3_FLAGS))
            raise ImproperlyConfigured(f"GRADEQUEUE_STORAGE_URL: {name} is not one of {known}.")
    return options


def _require(module: str, name: str, extra: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise ImproperlyConfigured(f"{name} needs more packages: pip install 'gradequeue[{extra}]'.")
