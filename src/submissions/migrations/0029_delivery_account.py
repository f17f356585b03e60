from django.db import migrations, models

from submissions.migration import Resumable


class Migration(Resumable):
    dependencies = [("submissions", "0028_names")]

    operations = [
        # Without a default: no row is written, however many there are.
        migrations.AddField(
            model_name="delivery",
            name="account",
            field=models.CharField(blank=True, editable=False, max_length=255, null=True),
        ),
    ]
