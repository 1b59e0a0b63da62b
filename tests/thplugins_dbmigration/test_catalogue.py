"""The gate is right about every migration of the catalogue, on every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from attrs import evolve

from catalogue import ENGINES, Builds, Migration, Seen, catalogue

from parts.servers import open_directory

pytestmark = pytest.mark.system

EVERY = [migration for engine in ENGINES for migration in catalogue(engine)]
FAILING = [migration for migration in EVERY if migration.fails]
WELL = [migration for migration in EVERY if not migration.fails]


@pytest.fixture(scope="module")
def builds() -> Iterator[Callable[[str], Builds]]:
    """What builds on an engine are made with; all of the module share its dataset."""
    made: dict[str, Builds] = {}
    with ExitStack() as stack:

        def of(engine: str) -> Builds:
            if engine not in made:
                made[engine] = Builds(stack.enter_context(open_directory()), engine)
            return made[engine]

        yield of


@pytest.fixture(scope="module")
def well(builds: Callable[[str], Builds]) -> Callable[[str], dict[str, Seen]]:
    """What one build finds of all migrations of an engine that end well, each a step of the same change."""
    known: dict[str, dict[str, Seen]] = {}

    def of(engine: str) -> dict[str, Seen]:
        if engine not in known:
            known[engine] = builds(engine).build([each for each in WELL if each.engine == engine])
        return known[engine]

    return of


def test_there_are_forty_and_more() -> None:
    assert len({migration.name for migration in EVERY}) >= 40


@pytest.mark.parametrize("migration", WELL, ids=str)
def test_what_a_migration_that_ends_well_does_is_known(
    migration: Migration, well: Callable[[str], dict[str, Seen]]
) -> None:
    assert_known(migration, well(migration.engine)[migration.table])


@pytest.mark.parametrize(
    "migration",
    [pytest.param(each, id=str(each), marks=() if each.often else pytest.mark.slow) for each in FAILING],
)
def test_why_a_migration_fails_is_known(migration: Migration, builds: Callable[[str], Builds]) -> None:
    assert_known(migration, builds(migration.engine).build([migration])[migration.table])


def assert_known(migration: Migration, seen: Seen) -> None:
    found, expected = seen.as_expected, migration.expected
    if expected.works is None:
        found = evolve(found, works=None)
    assert found == expected, [(each.code, each.message, each.evidence[:3]) for each in seen.findings]
