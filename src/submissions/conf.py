"""Every setting of the app, with its type, its default and a sentence.

A host sets them in its Django settings as ``SUBMISSIONS_<NAME>``; they are read on use, so that
``override_settings`` works. ``checks.py`` refuses wrong ones at the start.
"""

from __future__ import annotations

from typing import Any, get_type_hints

from django.conf import settings


class Conf:
    LEASE_SECONDS: int = 300
    """How long a grader may keep a job before another one may take it, where the queue does not say (seconds)."""

    MAX_GRADING_SECONDS: int = 3600
    """How long a grader may keep a job that it goes on renewing, where the queue does not say; never less than the
    lease (seconds)."""

    MAX_WAITING: int = 0
    """How many requests of graders may wait in one process for a job to come; 0: none, as a host's process may have one
    thread alone. `serve` sets it to half of its threads."""

    MAX_FAILURES: int = 5
    """At how many failures a job is given up and waits for an operator, where the queue does not say."""

    BACKOFF_SECONDS: int = 5
    """The pause after a first failure; it doubles with each further one (seconds)."""

    BACKOFF_CEILING_SECONDS: int = 300
    """The longest such pause (seconds)."""

    ANSWER_MAX_BYTES: int = 5 * 1024 * 1024
    """The largest answer that is taken, counted as UTF-8 (bytes)."""

    REQUEST_MAX_BYTES: int = 25 * 1024 * 1024
    """The largest request of a grader or a platform that is read (bytes)."""

    REPLY_MAX_BYTES: int = 7 * 1024 * 1024
    """The longest reply of a grader that is kept (bytes). Twice this must fit into MySQL's max_allowed_packet."""

    STRICT_QUEUES: bool = False
    """Whether a queue must have been set up before a job may name it. If not, the first job sets it up."""

    GRADER_GROUP: str = "xqueue"
    """The group whose members may log in as graders."""

    SUBMITTER_GROUP: str = "xqueue-submitters"
    """The group of the platforms' accounts, which may submit over HTTP to every queue."""

    LOGIN_FREE_FAILURES: int = 5
    """How many failed logins of an account from one network cost no delay."""

    LOGIN_DELAY_CEILING_SECONDS: int = 300
    """The longest delay after failed logins; 0: logins are not throttled here (seconds)."""

    QUEUE_MAX_WAITING: int = 0
    """At how many waiting jobs a queue takes no more; 0: no limit."""

    STUDENT_MAX_WAITING: int = 0
    """At how many waiting jobs of one student a queue takes no more of that student's; 0: no limit."""

    FILES_MAX_COUNT: int = 100
    """How many files a submission may have."""

    FILE_MAX_BYTES: int = 50 * 1024 * 1024
    """The largest file that is taken (bytes)."""

    FILES_MAX_BYTES: int = 100 * 1024 * 1024
    """The most that the files of one submission may have together (bytes)."""

    FILE_URL_SECONDS: int = 3600
    """How much longer than the lease the address of a submitted file is good for (seconds)."""

    BASE_URL: str = ""
    """Where graders reach this server (https://queue.example.org). Empty: the host that they asked."""

    QUEUE_CACHE_SECONDS: int = 2
    """How old the settings and grants of a queue may be that a claim goes by; 0: read each time (seconds)."""

    SILENCE_SECONDS: int = 120
    """When an operator is warned: jobs wait and nobody has polled for so long (seconds)."""

    OTHERS_SECONDS: int = 30
    """A job that a grader failed at is kept for others, if any polled its queue within so long (seconds)."""

    POLL_NOTE_SECONDS: int = 10
    """How often a queue's "last polled" is written at the most (seconds)."""

    TRANSPORTS: list[str] = ["auto"]
    """How each job's result travels, besides what is asked for with the job: signal, event; auto: event, where
    openedx-events is installed."""

    NOTIFY_FAILURES: bool = True
    """Whether the platform is told of a job that ended without a score, where the queue does not say."""

    FAILURE_NOTICE_SECONDS: int = 900
    """How long an operator may put a failed job back before its platform is told that there is no score (seconds)."""

    PUSH_TIMEOUT_SECONDS: int = 30
    """How long a grader that is pushed to may take for a job; never more than nine tenths of the lease (seconds)."""

    DELIVER_AT_ONCE: bool = True
    """Whether results are sent in the process that took them, right after the commit; else by `deliver` alone."""

    DELIVERY_TIMEOUT_SECONDS: int = 20
    """How long one attempt at telling a platform may take, all together (seconds)."""

    DELIVERY_BACKOFF_SECONDS: int = 5
    """The pause after a first attempt that failed; it doubles with each further one (seconds)."""

    DELIVERY_BACKOFF_CEILING_SECONDS: int = 86_400
    """The longest such pause (seconds)."""

    DELIVERY_MAX_AGE_SECONDS: int = 7 * 86_400
    """How long a result is tried to be told before it is given up and waits for an operator (seconds)."""

    DELIVERY_PER_HOST: int = 8
    """How many results one process sends to the same host at once, at the most."""

    CALLBACK_HOSTS: list[str] = []
    """The hosts that results may be sent to, where the queue does not say (*.example.org: also those below). Empty:
    every host with a public address."""

    CALLBACK_AUTH: dict[str, str] = {}
    """HTTP Basic for callbacks: host to user:password. It is sent to no other host."""

    WEBHOOK_URL: str = ""
    """Where each result is sent as a signed webhook, where the queue does not say. Empty: nowhere."""

    WEBHOOK_SECRETS: list[str] = []
    """What webhooks are signed with (whsec_...), where the queue does not say; several while they are exchanged."""

    ACTIVITY_DAYS: int = 365
    """How long `prune` keeps what operators did (days)."""

    OUTBOUND_NETWORKS: list[str] = []
    """Networks that are not public and may be connected to all the same (10.0.0.0/8)."""

    OUTBOUND_CA_FILE: str = ""
    """A file with certificates of authorities that are trusted beside the public ones (PEM)."""

    def __getattribute__(self, name: str) -> Any:
        if not name.isupper():
            return super().__getattribute__(name)
        return getattr(settings, f"SUBMISSIONS_{name}", super().__getattribute__(name))

    def wrong(self) -> list[str]:
        """One sentence for each setting that has an unusable value."""
        return [
            f"SUBMISSIONS_{name} must be {_in_words(name, kind)}, not {self._shown(name)}."
            for name, kind in get_type_hints(type(self)).items()
            if not _is(name, getattr(self, name), kind)
        ]

    def _shown(self, name: str) -> str:
        """The setting's value, or of a secret what kind of value it is: logs keep what is printed here."""
        value = getattr(self, name)
        return f"what this {type(value).__name__} holds" if name in SECRET else repr(value)


SECRET = {"CALLBACK_AUTH", "WEBHOOK_SECRETS"}
MAY_BE_ZERO = {
    "BACKOFF_SECONDS",
    "BACKOFF_CEILING_SECONDS",
    "DELIVERY_BACKOFF_SECONDS",
    "DELIVERY_BACKOFF_CEILING_SECONDS",
    "FAILURE_NOTICE_SECONDS",
    "LOGIN_DELAY_CEILING_SECONDS",
    "MAX_WAITING",
    "POLL_NOTE_SECONDS",
    "QUEUE_CACHE_SECONDS",
    "QUEUE_MAX_WAITING",
    "STUDENT_MAX_WAITING",
}


# The most that a queue's own settings hold, too; as seconds, 68 years. With much more no time can be reckoned.
MOST = 2**31 - 1


def _is(name: str, value: object, kind: object) -> bool:
    if kind is int:
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return value >= int(name not in MAY_BE_ZERO) and (value <= MOST or name.endswith("_BYTES"))
    if kind == list[str]:
        return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
    if kind == dict[str, str]:
        return isinstance(value, dict) and all(isinstance(one, str) for pair in value.items() for one in pair)
    return isinstance(value, bool if kind is bool else str)


def _in_words(name: str, kind: object) -> str:
    if kind is int:
        most = "" if name.endswith("_BYTES") else f", {MOST} at the most"
        return f"a whole number of {int(name not in MAY_BE_ZERO)} or more{most}"
    if kind == list[str]:
        return "a list of texts"
    if kind == dict[str, str]:
        return "a dict of texts"
    return "True or False" if kind is bool else "a text"


conf = Conf()
