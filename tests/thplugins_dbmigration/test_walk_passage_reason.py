"""A step of the change that fails for what is in the rows, through the whole gate."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from thcore.model import Execution, Finding, StepResult

from parts.dataset import write_dataset
from parts.releases import Releases

SEED = """
create table alembic_version (version_num varchar(32) not null primary key);
insert into alembic_version values ('a');
create table users (id integer primary key, mail varchar(60));
insert into users values (1, 'ann@x'), (2, 'bob@x'), (3, 'ann@x');
create table orders (id integer primary key, customer integer);
insert into orders values (1, 1), (2, 7), (3, 8);
"""
UNIQUE = "create unique index one_mail on users (mail)"


@pytest.fixture
def project(tmp_path: Path) -> Releases:
    """The target branch ends at a; the change adds b."""
    made = Releases(tmp_path)
    made.tree("master").revision("a", None)
    write_dataset(made.datasets, "small", SEED, start=["a"])
    return made


def failed(execution: Execution) -> tuple[Finding, StepResult]:
    (finding,) = execution.findings
    assert finding.code == "migration-not-ended"
    ((run),) = execution.datasets
    return finding, run.steps[-1]


def test_the_finding_of_a_failed_step_says_which_rows_and_how_to_find_them(project: Releases) -> None:
    project.tree("change", like="master").revision("b", "a", UNIQUE)
    finding, result = failed(project.gate())
    (offence,) = result.offences
    assert (offence.kind, offence.table, offence.columns, offence.count) == ("duplicate", "users", ("mail",), 2)
    assert finding.evidence[:5] == (
        "IntegrityError: UNIQUE constraint failed: users.mail",
        "2 rows of users have the same mail as another row:",
        "  id 1, mail ann@x",
        "  id 3, mail ann@x",
        f"This finds them: {offence.query}",
    )
    assert f"statement: {UNIQUE}" in finding.evidence
    assert finding.location.path == "migrations/versions/b.py"
    assert finding.location.line is not None
    (written,) = project.root.glob("workspace-*/artifacts/datasets/small/steps.json")
    (told,) = json.loads(written.read_text())["steps"][-1]["offences"]
    assert (told["count"], told["rows"][0]) == (2, {"id": "1", "mail": "ann@x"})


def test_values_of_a_confidential_column_are_not_in_what_is_told_of_a_step(project: Releases) -> None:
    shutil.rmtree(project.datasets / "small")
    write_dataset(project.datasets, "small", SEED, start=["a"], confidential={"users": ["mail"]})
    # What MySQL says, which has the values in it.
    error = "(1062) Duplicate entry 'ann@x' for key 'one_mail'"
    body = f"raise RuntimeError({error!r})"
    project.tree("change", like="master").revision("b", "a", "update users set mail = 'ann@x' where id = 3", body=body)
    finding, result = failed(project.gate())
    assert "Duplicate entry *** for key 'one_mail'" in finding.evidence[0]
    assert result.measurement is not None
    assert "update users set mail = ? where id = ?" in [each.text for each in result.measurement.statements]
    (written,) = project.root.glob("workspace-*/artifacts/datasets/small/steps.json")
    assert "ann@x" not in written.read_text()
    # The line of the migration is the project's own, and everybody can read it.
    assert "ann@x" not in "\n".join(line for line in finding.evidence if "raise RuntimeError" not in line)
