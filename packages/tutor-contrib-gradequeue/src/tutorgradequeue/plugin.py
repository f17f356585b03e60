"""What Tutor reads: settings, templates, patches, tasks, images and commands of the plugin."""

from __future__ import annotations

import hashlib
import shlex
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from tutor import env, exceptions, plugins
from tutor.hooks.catalog import Actions, Filters

from tutorgradequeue import __version__
from tutorgradequeue.commands import import_xqueue, queue_group

FOLDER = Path(str(files("tutorgradequeue")))
MODES = ("service", "embedded")

# Names and defaults of tutor-xqueue: what a site has set for it, and the secrets that were made for it, go on.
XQUEUE_DEFAULTS = {
    "AUTH_USERNAME": "lms",
    "HOST": "xqueue.{{ LMS_HOST }}",
    # The old service's database: read by `do gradequeue-import-xqueue`, and by nothing else.
    "MYSQL_DATABASE": "xqueue",
    "MYSQL_USERNAME": "xqueue",
}
XQUEUE_UNIQUE = {
    "AUTH_PASSWORD": "{{ 32|random_string }}",
    "MYSQL_PASSWORD": "{{ 32|random_string }}",
    "SECRET_KEY": "{{ 50|random_string }}",
}
DEFAULTS: dict[str, Any] = {
    "VERSION": __version__,
    "MODE": "service",
    # What follows the package's name where it is installed, into our image or the platform's; or " @ https://...".
    "PIP_SOURCE": "=={{ GRADEQUEUE_VERSION }}",
    # Without a registry's name: it is built here.
    "DOCKER_IMAGE": "gradequeue:{{ GRADEQUEUE_VERSION }}",
    "MYSQL_DATABASE": "gradequeue",
    "GRADER_USERNAME": "grader",
    "SHARED_ACCOUNT": False,
    "WORKERS": 2,
    "DEV_PORT": 18040,
    "ENVIRONMENT": {},
}
UNIQUE = {"GRADER_PASSWORD": "{{ 32|random_string }}"}


def _settings(prefix: str, values: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(f"{prefix}_{name}", value) for name, value in values.items()]


Filters.CONFIG_DEFAULTS.add_items([*_settings("XQUEUE", XQUEUE_DEFAULTS), *_settings("GRADEQUEUE", DEFAULTS)])
Filters.CONFIG_UNIQUE.add_items([*_settings("XQUEUE", XQUEUE_UNIQUE), *_settings("GRADEQUEUE", UNIQUE)])

Filters.ENV_TEMPLATE_ROOTS.add_item(str(FOLDER / "templates"))
Filters.ENV_TEMPLATE_TARGETS.add_item(("gradequeue/build", "plugins"))
Filters.ENV_TEMPLATE_FILTERS.add_items(
    [
        # A part of a database's address, a word of a shell's, a text of Python's and of SQL's.
        ("gradequeue_quoted", lambda text: quote(str(text), safe="")),
        ("gradequeue_shell", lambda text: shlex.quote(str(text))),
        ("gradequeue_python", lambda text: repr(str(text))),
        ("gradequeue_sql", lambda text: "'{}'".format(str(text).replace("\\", "\\\\").replace("'", "''"))),
        # So that a Deployment is rolled out when its Secret changes.
        ("gradequeue_digest", lambda text: hashlib.sha256(text.encode()).hexdigest()),
    ]
)
for patch in sorted((FOLDER / "patches").iterdir()):
    Filters.ENV_PATCHES.add_item((patch.name, patch.read_text()))
for service in ("mysql", "gradequeue"):
    task = FOLDER / "templates" / "gradequeue" / "tasks" / f"{service}.sh"
    Filters.CLI_DO_INIT_TASKS.add_item((service, task.read_text()))

Filters.CLI_COMMANDS.add_items([queue_group("gradequeue"), queue_group("xqueue")])
Filters.CLI_DO_COMMANDS.add_item(import_xqueue)


@Actions.CONFIG_LOADED.add()
def _check_environment(config: dict[str, Any]) -> None:
    """A list would be written in Python's words, and the service would read them as names of hosts."""
    given = config["GRADEQUEUE_ENVIRONMENT"]
    if not isinstance(given, dict) or not all(isinstance(value, str | int | float) for value in given.values()):
        raise exceptions.TutorError(
            "GRADEQUEUE_ENVIRONMENT must be names with a text, a number, true or false each, such as "
            f'{{"GRADEQUEUE_CALLBACK_HOSTS": "lms,other.example.org"}}, not {given!r}.'
        )


@Actions.CONFIG_LOADED.add()
def _check(config: dict[str, Any]) -> None:
    if config["GRADEQUEUE_MODE"] not in MODES:
        raise exceptions.TutorError(f"GRADEQUEUE_MODE must be service or embedded, not {config['GRADEQUEUE_MODE']!r}.")
    if (
        config["GRADEQUEUE_MODE"] == "service"
        and config["GRADEQUEUE_GRADER_USERNAME"] == config["XQUEUE_AUTH_USERNAME"]
    ):
        raise exceptions.TutorError(
            "GRADEQUEUE_GRADER_USERNAME is the LMS's account, which would lose its password and its right to submit. "
            "Choose another name; with GRADEQUEUE_SHARED_ACCOUNT the LMS's account may grade, too."
        )
    if "xqueue" in plugins.iter_loaded():
        raise exceptions.TutorError(
            "The plugins gradequeue and xqueue both tell the LMS where its queue is. "
            "Keep one: tutor plugins disable xqueue"
        )


def _image(config: dict[str, Any]) -> tuple[str, str]:
    return "gradequeue", str(env.render_str(config, "{{ GRADEQUEUE_DOCKER_IMAGE }}"))


@Filters.IMAGES_BUILD.add()
def _build(images: list[Any], config: dict[str, Any]) -> list[Any]:
    if config["GRADEQUEUE_MODE"] == "service":
        name, tag = _image(config)
        images.append((name, ("plugins", "gradequeue", "build", "gradequeue"), tag, ()))
    return images


@Filters.IMAGES_PULL.add()
@Filters.IMAGES_PUSH.add()
def _of_a_registry(images: list[tuple[str, str]], config: dict[str, Any]) -> list[tuple[str, str]]:
    """An image without a registry's name is this machine's own: it can be neither pulled nor pushed."""
    if config["GRADEQUEUE_MODE"] == "service" and "/" in _image(config)[1]:
        images.append(_image(config))
    return images


@Filters.APP_PUBLIC_HOSTS.add()
def _public_hosts(hosts: list[str], context_name: Literal["local", "dev"]) -> list[str]:
    ours, theirs = (":{{ GRADEQUEUE_DEV_PORT }}", ":8000") if context_name == "dev" else ("", "")
    hosts.append(
        "{% if GRADEQUEUE_MODE == 'service' %}{{ XQUEUE_HOST }}" + ours + "{% else %}"
        # Embedded, graders come to the LMS's own host.
        "{{ LMS_HOST }}" + theirs + "/xqueue/status/{% endif %}"
    )
    return hosts
