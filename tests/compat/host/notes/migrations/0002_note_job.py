from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notes", "0001_initial"), ("submissions", "0004_externalgraderdetail")]

    operations = [
        migrations.AddField(
            model_name="note",
            name="job",
            field=models.ForeignKey(null=True, on_delete=models.CASCADE, to="submissions.externalgraderdetail"),
        )
    ]
