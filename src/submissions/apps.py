"""The Django app. Its label and table names are edx-submissions' own."""

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

import submissions

# edx-submissions has no module `apps`: this one still runs when that package's files stand where ours were, or when
# its uninstallation took them away.
if getattr(submissions, "DISTRIBUTION", None) != "gradequeue":
    raise ImproperlyConfigured(
        "edx-submissions was installed over gradequeue, or uninstalled after it: files of gradequeue are missing."
        " pip uninstall edx-submissions, then pip install --force-reinstall --no-deps gradequeue."
    )


class SubmissionsConfig(AppConfig):
    name = "submissions"
    verbose_name = _("Submissions")
    # edx-submissions' tables have integer keys; a host's default must not widen them.
    default_auto_field = "django.db.models.AutoField"

    def ready(self) -> None:
        from submissions import checks, deliveries, logs, waiting

        checks.register()
        logs.connect()
        deliveries.connect()
        waiting.connect()
