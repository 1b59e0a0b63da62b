"""Every migration of the catalogue goes through the gate, which says of each what is known of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from parts.catalogue import ENGINES, Course, Entry, pairs, read
from parts.servers import open_directory

ENTRIES = read()
ENOUGH = 40
ALWAYS = frozenset(
    {
        "unique_index_duplicates-mysql",
        "half_applied-mysql",
        "log_of_a_statement-mysql",
        "concurrent_index_duplicates-postgresql",
    }
)
"""Of those that end a build on a server, which takes some seconds each, the ones that are tried every time."""


@pytest.fixture(scope="module")
def courses() -> Iterator[dict[str, Course]]:
    with open_directory() as root:
        yield {engine: Course.of(root, engine, ENTRIES) for engine in ENGINES}


def test_there_are_enough_migrations_and_each_has_a_counterpart_that_is_told_otherwise() -> None:
    told = {(entry.name, entry.engine): entry.expected for entry in ENTRIES}
    names = {name for name, _ in told}
    assert len(names) >= ENOUGH
    for name, other in pairs().items():
        assert other in names, name
        both = [engine for engine in ENGINES if (name, engine) in told and (other, engine) in told]
        alike = all(told[name, engine] == told[other, engine] for engine in both)
        assert not alike, f"{name} and {other} are told alike on {both or 'no engine'}"


@pytest.mark.system
@pytest.mark.timeout(600)
@pytest.mark.parametrize("waits", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["works", "waits"])
@pytest.mark.parametrize("engine", ENGINES)
def test_migrations_that_end_are_told_for_what_they_are(courses: dict[str, Course], engine: str, waits: bool) -> None:
    entries = [entry for entry in ENTRIES if entry.engine == engine and not entry.alone and entry.waits is waits]
    told = {name: said.told for name, said in courses[engine].build(entries).items()}
    assert told == {entry.name: entry.expected for entry in entries}


@pytest.mark.system
@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(entry, marks=[] if entry.engine == "sqlite" or str(entry) in ALWAYS else pytest.mark.slow)
        for entry in ENTRIES
        if entry.alone
    ],
    ids=str,
)
def test_a_migration_that_ends_its_build_is_told_for_what_it_is(courses: dict[str, Course], entry: Entry) -> None:
    said = courses[entry.engine].build([entry])[entry.name]
    assert said.told == entry.expected, "\n".join(map(str, said.findings))
