"""The Django app. Its label and table names are edx-submissions' own."""

from django.apps import AppConfig


class SubmissionsConfig(AppConfig):
    name = "submissions"
    verbose_name = "Submissions"
    # edx-submissions' tables have integer keys; a host's default must not widen them.
    default_auto_field = "django.db.models.AutoField"

    def ready(self) -> None:
        from submissions import checks, deliveries, logs

        checks.register()
        logs.connect()
        deliveries.connect()
