"""The same platform with an app of its own, whose migrations depend on edx-submissions'."""

from tests.compat.old.settings import *  # noqa: F403
from tests.compat.old.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.compat.host.notes"]
