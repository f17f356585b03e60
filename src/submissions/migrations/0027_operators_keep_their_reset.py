from django.conf import settings
from django.db import migrations

from submissions.migration import Resumable

# What edx-submissions' admin lets whoever may change jobs do: look at them, and reset failed ones.
KEPT = {"view_externalgraderdetail": "Can view external grader detail", "can_retry": "Can put failed jobs back"}


def grant(apps, schema_editor):
    """Who holds the permission to change jobs gets those that are asked for now. Twice comes to the same."""
    using = schema_editor.connection.alias
    changing = apps.get_model("auth", "Permission").objects.using(using)
    found = changing.filter(content_type__app_label="submissions", codename="change_externalgraderdetail").first()
    if found is None:
        return  # a new database: Django makes the permissions after all migrations
    # Made as Django would; it looks for those that are there already.
    kept = [
        changing.get_or_create(content_type_id=found.content_type_id, codename=codename, defaults={"name": name})[0]
        for codename, name in KEPT.items()
    ]
    for group in apps.get_model("auth", "Group").objects.using(using).filter(permissions=found):
        group.permissions.add(*kept)
    user = apps.get_model(settings.AUTH_USER_MODEL)
    if hasattr(user, "user_permissions"):
        for account in user._default_manager.using(using).filter(user_permissions=found):
            account.user_permissions.add(*kept)


class Migration(Resumable):
    dependencies = [
        ("submissions", "0026_notifications"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop, elidable=True)]
