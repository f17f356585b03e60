"""What is wrong with a destination is said at the start, or when it is entered, and not when a result is lost."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ValidationError
from pytest_django import Settings

from submissions.checks import is_webhook_secret
from submissions.models import GraderQueue

pytestmark = pytest.mark.once

SECRET = "whsec_" + base64.b64encode(b"s" * 24).decode()
NO_CERTIFICATE = "cannot be read, or holds no certificate (PEM)."
NO_HOST = "is no host; it is a name such as lms.example.org, without https:// and without a port."
TOO_MANY = "a whole number of 0 or more, 2147483647 at the most"
NO_SECRET = "a secret is whsec_ and 24 to 64 random bytes in Base64."


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("TRANSPORTS", "event", "SUBMISSIONS_TRANSPORTS must be a list of texts, not 'event'."),
        ("TRANSPORTS", [1], "SUBMISSIONS_TRANSPORTS must be a list of texts, not [1]."),
        ("TRANSPORTS", ["event", "pigeon"], "SUBMISSIONS_TRANSPORTS may be signal, event and auto, not 'pigeon'."),
        # A job that is given up would find no time for its notice, and so could not be given up.
        ("FAILURE_NOTICE_SECONDS", 10**12, f"SUBMISSIONS_FAILURE_NOTICE_SECONDS must be {TOO_MANY}, not {10**12}."),
        (
            "CALLBACK_AUTH",
            {"*.example.org": "a:b"},
            "SUBMISSIONS_CALLBACK_AUTH: '*.example.org' must be one host: a password is for those that are named.",
        ),
        # Secrets are not printed.
        ("CALLBACK_AUTH", {"host": 1}, "SUBMISSIONS_CALLBACK_AUTH must be a dict of texts, not what this dict holds."),
        ("WEBHOOK_SECRETS", SECRET, "SUBMISSIONS_WEBHOOK_SECRETS must be a list of texts, not what this str holds."),
        (
            "OUTBOUND_NETWORKS",
            ["all"],
            "SUBMISSIONS_OUTBOUND_NETWORKS must be networks such as 10.0.0.0/8, not 'all'.",
        ),
        ("OUTBOUND_CA_FILE", "/no/such", "SUBMISSIONS_OUTBOUND_CA_FILE: there is no file /no/such."),
        ("OUTBOUND_CA_FILE", __file__, f"SUBMISSIONS_OUTBOUND_CA_FILE: {__file__} {NO_CERTIFICATE}"),
        ("WEBHOOK_SECRETS", [SECRET, "whsec_x"], f"SUBMISSIONS_WEBHOOK_SECRETS: {NO_SECRET}"),
        (
            "WEBHOOK_URL",
            "https://hooks.example.org/",
            "SUBMISSIONS_WEBHOOK_URL needs SUBMISSIONS_WEBHOOK_SECRETS to sign with.",
        ),
    ],
)
def test_a_setting_that_cannot_work_is_told(settings: Settings, name: str, value: Any, sentence: str) -> None:
    setattr(settings, f"SUBMISSIONS_{name}", value)
    assert [one.msg for one in run_checks() if str(one.id).startswith("submissions.E")] == [sentence]


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("https://me:secret@hooks.example.org/", "The address must not hold a name or a password."),
        ("hooks.example.org", "The address must begin with https:// or http:// and name a host."),
        ("https://192.168.0.7/hook", "192.168.0.7 is not a public address."),
    ],
)
def test_a_webhook_to_which_nothing_can_be_sent_is_told(settings: Settings, url: str, sentence: str) -> None:
    settings.SUBMISSIONS_WEBHOOK_URL, settings.SUBMISSIONS_WEBHOOK_SECRETS = url, [SECRET]
    settings.SUBMISSIONS_OUTBOUND_NETWORKS = []
    told = [one.msg for one in run_checks() if str(one.id).startswith("submissions.E")]
    assert told == [f"SUBMISSIONS_WEBHOOK_URL: {sentence}"]


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("CALLBACK_HOSTS", ["lms.example.org:8000"]),
        ("CALLBACK_HOSTS", ["https://lms.example.org"]),
        ("CALLBACK_HOSTS", ["lms.example.org,"]),
        ("CALLBACK_AUTH", {"lms.example.org:8000": "a:b"}),
    ],
)
def test_a_host_that_no_address_has_is_told(settings: Settings, name: str, given: Any) -> None:
    setattr(settings, f"SUBMISSIONS_{name}", given)
    assert [one.msg for one in run_checks() if str(one.id).startswith("submissions.E")] == [
        f"SUBMISSIONS_{name}: {next(iter(given))!r} {NO_HOST}"
    ]


def test_what_can_work_is_not_told(settings: Settings) -> None:
    settings.SUBMISSIONS_TRANSPORTS = ("auto", "signal")
    settings.SUBMISSIONS_WEBHOOK_URL = "https://hooks.example.org/"
    settings.SUBMISSIONS_WEBHOOK_SECRETS = [SECRET]
    settings.SUBMISSIONS_OUTBOUND_NETWORKS = ["10.0.0.0/8", "fd00::/8"]
    settings.SUBMISSIONS_CALLBACK_HOSTS = ["LMS.example.org", "*.example.net", "10.0.0.7", "fd00::7", "localhost"]
    settings.SUBMISSIONS_CALLBACK_AUTH = {"LMS.example.org": "a:b"}
    assert [one for one in run_checks() if str(one.id).startswith("submissions.E")] == []


@pytest.mark.parametrize(("length", "fine"), [(23, False), (24, True), (25, True), (32, True), (64, True), (65, False)])
def test_a_webhook_secret_may_be_of_any_length_between_two_with_padding_or_without(length: int, fine: bool) -> None:
    text = "whsec_" + base64.b64encode(b"s" * length).decode()
    assert (is_webhook_secret(text), is_webhook_secret(text.rstrip("="))) == (fine, fine)


@pytest.mark.django_db
@pytest.mark.parametrize(("secrets", "fine"), [("", True), (f"{SECRET}\n{SECRET}\n", True), ("secret", False)])
def test_the_secrets_of_a_queue_are_looked_at_when_they_are_entered(secrets: str, fine: bool) -> None:
    queue = GraderQueue(name="q", webhook_secrets=secrets)
    if fine:
        queue.full_clean()
    else:
        with pytest.raises(ValidationError, match="whsec_"):
            queue.full_clean()
