"""Authors become rows of their own."""

from django.db import migrations, models


def fill(apps, schema_editor):
    author, book = apps.get_model("books", "Author"), apps.get_model("books", "Book")
    for name in book.objects.exclude(author=None).values_list("author", flat=True).distinct():
        author.objects.create(name=name)


class Migration(migrations.Migration):
    dependencies = [("books", "0002_book_author_index")]
    operations = [
        migrations.CreateModel(
            name="Author",
            fields=[("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=100))],
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
