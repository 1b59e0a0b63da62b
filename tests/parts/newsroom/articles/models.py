from django.db import models
from wagtail.fields import RichTextField
from wagtail.models import Page


class Article(Page):
    day = models.DateField()
    text = RichTextField()
