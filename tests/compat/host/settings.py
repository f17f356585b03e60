"""A platform that has our app beside one of its own, and other ideas than ours about primary keys."""

from gradequeue.settings import *  # noqa: F403
from gradequeue.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.compat.host.notes"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
