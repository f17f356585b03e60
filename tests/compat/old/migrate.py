"""edx-submissions' own migrations, all or up to the one that is named."""

from __future__ import annotations

import sys

import django
from django.core.management import call_command
from django.db import connection

FIRST = "0001_squashed_0005_CreateTeamModel"
# It changes columns that no table has; a site on MariaDB goes on by saying that it is done.
FAILS_ON_MARIADB = "0006_mariadb_uuid_conversion"


def migrate(*target: str) -> None:
    if getattr(connection, "mysql_is_mariadb", False) and target != (FIRST,):
        call_command("migrate", "submissions", FIRST, verbosity=0)
        call_command("migrate", "submissions", FAILS_ON_MARIADB, fake=True, verbosity=0)
    call_command("migrate", *(("submissions", *target) if target else ()), verbosity=0)


if __name__ == "__main__":
    django.setup()
    migrate(*sys.argv[1:])
