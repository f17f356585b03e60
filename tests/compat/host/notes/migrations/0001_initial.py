from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = [("submissions", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Note",
            fields=[
                ("id", models.BigAutoField(primary_key=True)),
                ("text", models.TextField()),
                ("item", models.ForeignKey(on_delete=models.CASCADE, to="submissions.studentitem")),
            ],
        )
    ]
