"""No two books have the same number, or so everybody thought."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("books", "0002_book_author_index")]
    operations = [
        migrations.AlterField("book", "isbn", models.CharField(max_length=13, unique=True)),
    ]
