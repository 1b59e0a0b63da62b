from django.db import models


class Book(models.Model):
    title = models.CharField(max_length=200)
    author = models.CharField(max_length=100, null=True, db_index=True)
    isbn = models.CharField(max_length=13)
