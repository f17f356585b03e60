from collections.abc import Sequence

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

from gradequeue.processes.connections import watch_for_pooler


class GradequeueConfig(AppConfig):
    name = "gradequeue"
    verbose_name = "gradequeue"

    def ready(self) -> None:
        checks.register(proxies_are_counted, checks.Tags.security, deploy=True)
        watch_for_pooler()


def proxies_are_counted(app_configs: Sequence[AppConfig] | None, **_: object) -> list[checks.CheckMessage]:
    if settings.TRUSTED_PROXIES:
        return []
    return [
        checks.Warning(
            "No proxy is trusted: all clients behind one have its address, so one that guesses slows down the others.",
            hint="Set GRADEQUEUE_TRUSTED_PROXIES to the number of proxies in front, 1 for one nginx.",
            id="gradequeue.W001",
        )
    ]
