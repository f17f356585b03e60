"""What must be right before anything starts."""

from __future__ import annotations

import base64
import importlib.util
import ssl
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from ipaddress import ip_network
from pathlib import Path

import django
from django.apps import AppConfig, apps
from django.core import checks
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connections, router
from django.db.migrations.recorder import MigrationRecorder
from django.utils.translation import gettext_lazy as _

from submissions import versions
from submissions.conf import conf

# edx-submissions (3.12.2, 4.0.2) has written all of these into django_migrations; our first migration stands for them.
REPLACED = (
    "0001_initial",
    "0001_squashed_0005_CreateTeamModel",
    "0002_auto_20151119_0913",
    "0002_team_submission_optional",
    "0003_ensure_ascii",
    "0003_submission_status",
    "0004_externalgraderdetail",
    "0004_remove_django_extensions",
    "0005_CreateTeamModel",
    "0005_submissionfile",
    "0006_mariadb_uuid_conversion",
    "0007_merge_20251020_2045",
    "0008_externalgraderdetail_queue_key_and_more",
)


def register() -> None:
    checks.register(versions_were_tested, "submissions")
    checks.register(folder_is_ours_alone, "submissions")
    checks.register(settings_are_usable, "submissions")
    checks.register(destinations_are_usable, "submissions")
    checks.register(queues_are_granted, "submissions", deploy=True)
    checks.register(earlier_upgrade_is_finished, checks.Tags.database)


def versions_were_tested(app_configs: Sequence[AppConfig] | None, **_: object) -> list[checks.CheckMessage]:
    """A warning where the suite has never run with this Python or this Django."""
    running = [("Python", sys.version_info, versions.PYTHON), ("Django", django.VERSION, versions.DJANGO)]
    return [
        checks.Warning(
            f"Not tested with {name} {version[0]}.{version[1]}, only with {', '.join(tested)}.",
            hint="It may work. Try it before a course depends on it, or look for a newer gradequeue.",
            id="submissions.W002",
        )
        for name, version, tested in running
        if f"{version[0]}.{version[1]}" not in tested
    ]


def folder_is_ours_alone(app_configs: Sequence[AppConfig] | None, **_: object) -> list[checks.CheckMessage]:
    """An error where edx-submissions has files in this folder, too. Its name alone, without files, is no harm."""
    try:
        other = metadata.distribution("edx-submissions")
    except metadata.PackageNotFoundError:
        return []
    if not any(path.parts[0] == "submissions" for path in other.files or []):
        return []
    return [
        checks.Error(
            f"edx-submissions {other.version} is installed, too, and has files in the same folder `submissions`.",
            hint="What runs is what was installed last. pip uninstall edx-submissions, then pip install "
            "--force-reinstall --no-deps gradequeue. How to keep it away: docs/openedx.md.",
            id="submissions.E004",
        )
    ]


def settings_are_usable(app_configs: Sequence[AppConfig] | None, **_: object) -> list[checks.CheckMessage]:
    return [checks.Error(sentence, id="submissions.E001") for sentence in conf.wrong()]


def destinations_are_usable(app_configs: Sequence[AppConfig] | None, **_: object) -> list[checks.CheckMessage]:
    """What only shows when a result is sent must not wait until then."""
    if conf.wrong():
        return []
    return [checks.Error(sentence, id="submissions.E003") for sentence in _unusable_destinations()]


def _unusable_destinations() -> Iterator[str]:
    if unknown := sorted(set(conf.TRANSPORTS) - {"auto", "signal", "event"}):
        yield f"SUBMISSIONS_TRANSPORTS may be signal, event and auto, not {', '.join(map(repr, unknown))}."
    for given in conf.OUTBOUND_NETWORKS:
        try:
            ip_network(given, strict=False)
        except ValueError:
            yield f"SUBMISSIONS_OUTBOUND_NETWORKS must be networks such as 10.0.0.0/8, not {given!r}."
    yield from _unusable_authorities(str(conf.OUTBOUND_CA_FILE))
    if not all(map(is_webhook_secret, conf.WEBHOOK_SECRETS)):
        yield f"SUBMISSIONS_WEBHOOK_SECRETS: {SECRET_FORM}"
    if conf.WEBHOOK_URL and not conf.WEBHOOK_SECRETS:
        yield "SUBMISSIONS_WEBHOOK_URL needs SUBMISSIONS_WEBHOOK_SECRETS to sign with."
    if conf.WEBHOOK_URL and importlib.util.find_spec("standardwebhooks") is None:
        yield "SUBMISSIONS_WEBHOOK_URL needs more packages: pip install 'gradequeue[webhook]'."


def _unusable_authorities(place: str) -> Iterator[str]:
    """Each connection would fail, and look as if its host did not answer."""
    if place and not Path(place).is_file():
        yield f"SUBMISSIONS_OUTBOUND_CA_FILE: there is no file {place}."
    elif place:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=place)
        except OSError:  # an SSLError is one, too
            yield f"SUBMISSIONS_OUTBOUND_CA_FILE: {place} cannot be read, or holds no certificate (PEM)."


SECRET_FORM = "a secret is whsec_ and 24 to 64 random bytes in Base64."  # noqa: S105 - a sentence


def is_webhook_secret(text: str) -> bool:
    """Whether `text` is a secret after the Standard Webhooks specification."""
    # With its padding, or without: as generators write it.
    signs = text.removeprefix("whsec_").rstrip("=")
    try:
        return 24 <= len(base64.b64decode(signs + "=" * (-len(signs) % 4), validate=True)) <= 64
    except ValueError:
        return False


def validate_webhook_secrets(text: str) -> None:
    """For a field with one per line."""
    if not all(map(is_webhook_secret, text.split())):
        raise ValidationError(_("One per line: a secret is whsec_ and 24 to 64 random bytes in Base64."))


def queues_are_granted(app_configs: Sequence[AppConfig] | None, **_: object) -> list[checks.CheckMessage]:
    """A warning for queues from which every grader may pull."""
    model = apps.get_model("submissions", "GraderQueue")
    try:
        names = list(model._default_manager.filter(restricted=False).values_list("name", flat=True)[:6])
    except DatabaseError:  # no tables yet
        return []
    if not names:
        return []
    shown = ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
    return [
        checks.Warning(
            f"Every grader may pull from these queues: {shown}.",
            hint="Grant each queue to its graders: gradequeue grader grant NAME --queue QUEUE.",
            id="submissions.W001",
        )
    ]


def earlier_upgrade_is_finished(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: object
) -> list[checks.CheckMessage]:
    """Refuse a database that edx-submissions itself has brought only part of the way."""
    return [error for alias in databases or [] for error in _unfinished(alias)]


def _unfinished(alias: str) -> list[checks.CheckMessage]:
    if not router.allow_migrate_model(alias, apps.get_model("submissions", "Submission")):
        return []  # Django records each migration in each database, and none of our tables is in this one
    try:
        applied = MigrationRecorder(connections[alias]).applied_migrations()
    except DatabaseError:  # not reachable yet: whoever needs it will say so
        return []
    missing = [name for name in REPLACED if ("submissions", name) not in applied]
    if not missing or len(missing) == len(REPLACED):
        return []
    return [
        checks.Error(
            f"Database {alias!r} was left by an edx-submissions older than 3.12.2; not applied: {', '.join(missing)}.",
            hint="Install edx-submissions 4.0.2, run its migrate to the end, then install gradequeue again. Is the "
            "database a new one, whose first migrate broke off? Then make it anew.",
            id="submissions.E002",
        )
    ]
