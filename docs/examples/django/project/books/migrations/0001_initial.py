from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            name="Book",
            fields=[
                ("id", models.BigAutoField(primary_key=True)),
                ("title", models.CharField(max_length=200)),
                ("author", models.CharField(max_length=100, null=True)),
                ("isbn", models.CharField(max_length=13)),
            ],
        ),
    ]
