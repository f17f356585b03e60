"""What `doctor` says of the settings that matter as soon as others can reach the service."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings

from submissions.conf import conf
from submissions.upkeep.findings import Finding

LOCAL = frozenset({"localhost", ".localhost", "127.0.0.1", "[::1]"})
# As Django's own check has it.
SHORT, FEW, DEFAULT = 50, 5, "django-insecure-"


def findings() -> Iterator[Finding]:
    yield _debug()
    yield _secret_key()
    yield _hosts()
    yield _https()


def _debug() -> Finding:
    on = "DEBUG is on: error pages show code and settings to everybody. Set DEBUG to False."
    return Finding("debug", not settings.DEBUG, on if settings.DEBUG else "DEBUG is off.")


def _secret_key() -> Finding:
    key = str(settings.SECRET_KEY)
    weak = len(key) < SHORT or len(set(key)) < FEW or key.startswith(DEFAULT)
    guessed = (
        "The secret key can be guessed: it signs sessions and the addresses of files. Set GRADEQUEUE_SECRET_KEY to "
        "what python3 -c 'import secrets; print(secrets.token_urlsafe(50))' prints; everybody logs in again."
    )
    return Finding("secret key", not weak, guessed if weak else "The secret key is long.")


def _hosts() -> Finding:
    every = "*" in settings.ALLOWED_HOSTS
    any_name = (
        "ALLOWED_HOSTS has *: addresses in answers name whatever host a request named. Set GRADEQUEUE_ALLOWED_HOSTS to "
        "the names that are served."
    )
    return Finding("hosts", not every, any_name if every else f"Served as {', '.join(settings.ALLOWED_HOSTS)}.")


def _https() -> Finding:
    others = [name for name in settings.ALLOWED_HOSTS if name.lower() not in LOCAL]
    if not others:
        return Finding("https", True, "Only this machine is served: it may be without HTTPS.")
    sentence = _clear_text(others[0])
    return Finding("https", not sentence, sentence or "Cookies are sent by HTTPS only.")


def _clear_text(name: str) -> str:
    """What is wrong where others are served, by `name` for one; "" for nothing."""
    if not (settings.SESSION_COOKIE_SECURE and settings.CSRF_COOKIE_SECURE):
        return f"{name} is served, and cookies are sent without HTTPS, too. Set GRADEQUEUE_ENV=production."
    base = urlsplit(conf.BASE_URL)
    if base.scheme == "http" and f"{base.hostname}" not in LOCAL:
        return (
            f"Graders are told {conf.BASE_URL}: passwords and files travel in clear text. Set GRADEQUEUE_BASE_URL to "
            "the https:// address."
        )
    if not settings.TRUSTED_PROXIES:
        return (
            "No proxy is trusted, so no request counts as HTTPS, and forms are refused. Set GRADEQUEUE_TRUSTED_PROXIES "
            "to the number of proxies in front, 1 for one nginx."
        )
    return ""
