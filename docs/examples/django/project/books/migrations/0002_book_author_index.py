from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("books", "0001_initial")]
    operations = [
        migrations.AlterField("book", "author", models.CharField(max_length=100, null=True, db_index=True)),
    ]
