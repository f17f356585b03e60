from django.db import migrations, models
from submissions.migration import Resumable


class Migration(Resumable):
    dependencies = [
        ("submissions", "0011_grader_sighting"),
    ]

    operations = [
        migrations.AddField(
            model_name="externalgraderdetail",
            name="pulls",
            field=models.TextField(blank=True, editable=False, null=True),
        ),
    ]
