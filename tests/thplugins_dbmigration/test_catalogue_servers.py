"""The catalogue on servers of other releases than the machine's: they say the same, or what is known of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attrs import frozen

from parts.catalogue import Course, Entry, read
from parts.fetched import FETCHED, Fetched
from parts.servers import open_directory

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(1800)]


@frozen
class Lesson:
    """The entries of the catalogue for a server, and builds on it."""

    entries: tuple[Entry, ...]
    course: Course


@pytest.fixture(scope="module", params=FETCHED, ids=str)
def lesson(request: pytest.FixtureRequest) -> Iterator[Lesson]:
    server: Fetched = request.param
    settings = server.settings()
    entries = tuple(entry for entry in read(server.name) if entry.engine == server.engine)
    with open_directory() as root:
        yield Lesson(entries, Course.of(root, server.engine, entries, settings))


def test_migrations_that_end_are_told_for_what_they_are_on_other_releases(lesson: Lesson) -> None:
    entries = [entry for entry in lesson.entries if not entry.alone]
    said = lesson.course.build(entries)
    assert {name: each.told for name, each in said.items()} == {entry.name: entry.expected for entry in entries}


def test_migrations_that_end_their_builds_are_told_for_what_they_are_on_other_releases(lesson: Lesson) -> None:
    entries = [entry for entry in lesson.entries if entry.alone]
    told = {entry.name: lesson.course.build([entry])[entry.name].told for entry in entries}
    assert told == {entry.name: entry.expected for entry in entries}
