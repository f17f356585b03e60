from django.conf import settings
from django.db import migrations, models
from django.db.models.deletion import CASCADE

from submissions.migration import Resumable


class Migration(Resumable):
    """A host's account model may have its own `tokens` and `subscriptions`: no statement."""

    dependencies = [
        ("submissions", "0029_delivery_account"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="token",
            name="account",
            field=models.ForeignKey(
                on_delete=CASCADE, related_name="+", to=settings.AUTH_USER_MODEL, verbose_name="account"
            ),
        ),
        migrations.AlterField(
            model_name="subscription",
            name="account",
            field=models.ForeignKey(on_delete=CASCADE, related_name="+", to=settings.AUTH_USER_MODEL),
        ),
    ]
