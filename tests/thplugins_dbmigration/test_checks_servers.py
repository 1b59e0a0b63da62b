"""The checks on real servers: what is left on MariaDB and PostgreSQL when somebody dies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.model import Check
from thplugins_dbmigration.options import InterruptedRun, Judge

from parts.checked import checked_project
from parts.releases import Releases
from parts.servers import ON_MARIADB, open_directory

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


@pytest.fixture
def root() -> Iterator[Path]:
    with open_directory() as path:
        yield path


def checks(project: Releases, interrupted_run: InterruptedRun) -> dict[str, Check]:
    """What is found by all checks at once, by name and step."""
    execution = project.gate(interrupted_run=interrupted_run, round_trip=True, same_schema=True, judge=Judge.ALL)
    (run,) = execution.datasets
    return {f"{check.name} {check.step}".strip(): check for check in run.checks}


def test_mariadb_keeps_half_of_a_step_whoever_dies(root: Path) -> None:
    project = checked_project(root, type="mysql")
    project.tree("change").revision(
        "c",
        "b",
        "alter table item add column note varchar(9), add constraint few check (price < 100)",
        "alter table other add constraint of_item foreign key (id) references item (id)",
        back=["alter table other drop foreign key of_item", "alter table item drop column note, drop constraint few"],
    )
    found = checks(project, InterruptedRun.BOTH)
    assert (found["same-schema"].result, found["same-schema"].details) == ("ok", ())
    assert (found["round-trip"].result, found["round-trip"].details) == ("ok", ())
    for name in ("interrupted-client c", "interrupted-server c"):
        assert found[name].result == "failed"
        twice = "column name 'note'" if ON_MARIADB else "check constraint name 'few'"
        assert f"Duplicate {twice}" in found[name].details[0]
        left = found[name].details[1:]
        collation = "utf8mb4_general_ci" if ON_MARIADB else "utf8mb4_0900_ai_ci"
        assert f"column item.note: only after the interruption: varchar(9) collate {collation}" in left
        assert not any("of_item" in line for line in left), "the second half was never begun"


CONCURRENTLY = """
with op.get_context().autocommit_block():
    op.execute("create index concurrently {} on item (name)")
"""


@pytest.mark.slow
def test_postgresql_undoes_a_step_but_for_an_index_that_is_made_concurrently(root: Path) -> None:
    project = checked_project(root, type="postgresql")
    tree = project.tree("change")
    tree.revision(
        "c",
        "b",
        "alter table item add column note varchar(9)",
        "alter table other add constraint of_item foreign key (id) references item (id)",
        back=["alter table other drop constraint of_item", "alter table item drop column note"],
    )
    tree.revision("d", "c", body=CONCURRENTLY.format("loud"), back=["drop index loud"])
    tree.revision("e", "d", body=CONCURRENTLY.format("if not exists silent"), back=["drop index silent"])
    found = checks(project, InterruptedRun.SERVER)
    for name in ("same-schema", "round-trip", "interrupted-server c"):
        assert (found[name].result, found[name].details) == ("ok", ()), name
    loud, silent = found["interrupted-server d"], found["interrupted-server e"]
    assert 'relation "loud" already exists' in loud.details[0]
    assert loud.details[1:] == ("index item.loud: only after the interruption: INVALID btree (name)",)
    assert silent.details == (
        "index item.silent: btree (name) without an interruption, INVALID btree (name) after one",
    )
