"""Who could reset jobs in the admin of edx-submissions can still do so after the swap."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client

migration = import_module("submissions.migrations.0027_operators_keep_their_reset")


@pytest.mark.django_db
def test_staff_with_the_permission_to_change_keep_the_reset_and_get_the_dashboard() -> None:
    change = Permission.objects.get(codename="change_externalgraderdetail")
    alone = User.objects.create_user("alone", is_staff=True)
    alone.user_permissions.add(change)
    team = Group.objects.create(name="team")
    team.permissions.add(change)
    other = User.objects.create_user("other", is_staff=True)
    for _ in range(2):  # as after a migration that broke off
        migration.grant(apps, SimpleNamespace(connection=connection))
    kept = {"change_externalgraderdetail", "view_externalgraderdetail", "can_retry"}
    assert set(alone.user_permissions.values_list("codename", flat=True)) == kept
    assert set(team.permissions.values_list("codename", flat=True)) == kept
    assert not other.user_permissions.exists()
    http = Client()
    http.force_login(alone)
    assert http.get("/dashboard/").status_code == 200
    assert "retry_failed" in http.get("/admin/submissions/externalgraderdetail/").content.decode()
