"""Fills the newsroom's database as a year of work would."""

import datetime

import django

django.setup()  # before models can be imported

from articles.models import Article
from django.contrib.auth.models import Group, User
from django.db import transaction
from wagtail.models import GroupPagePermission, Page

SECTIONS = 10
DAYS = 15

with transaction.atomic():
    writers = [User.objects.create_user(f"writer{number}") for number in range(SECTIONS)]
    home = Page.objects.get(depth=2)
    for number, writer in enumerate(writers):
        desk = Group.objects.create(name=f"Desk {number}")
        writer.groups.add(desk)
        section = home.add_child(instance=Page(title=f"Section {number}", slug=f"section-{number}"))
        for kind in ("add", "change", "publish"):
            GroupPagePermission.objects.create(group=desk, page=section, permission_type=kind)
        for day in range(DAYS):
            article = Article(
                title=f"Day {day} of section {number}",
                slug=f"day-{day}",
                day=datetime.date(2024, 1, 1 + day),
                text="<p>" + "News of the day. " * 40 + "</p>",
            )
            section.add_child(instance=article)
            article.save_revision(user=writer).publish()
