"""Values of a column that nobody is to read, on real servers: what is published does not have them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from thcore.model import Execution, Verdict
from thcore.model.document import to_json
from thplugins_dbmigration.judge import judge

from parts import outcomes
from parts.dataset import write_dataset
from parts.releases import Releases
from parts.servers import open_directory

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
SECRETS = ("ann@secret", "bob@secret")
SEED = f"""
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('a');
CREATE TABLE users (id INTEGER PRIMARY KEY, mail VARCHAR(60) UNIQUE);
INSERT INTO users VALUES (1, '{SECRETS[0]}'), (2, '{SECRETS[1]}');
"""
BACKFILL = """
for number, mail in op.get_bind().exec_driver_sql("select id, mail from users order by id").fetchall():
    op.get_bind().exec_driver_sql(f"update users set mail = '{mail}.old' where id = {number}")
op.execute(f"alter table users add constraint other check (mail <> '{mail}')")
"""
"""Row by row, with the values in the statements, as in that of the constraint, for which the table is read."""
DUPLICATE = """
mail = op.get_bind().exec_driver_sql("select mail from users where id = 2").scalar()
op.get_bind().exec_driver_sql(f"update users set mail = '{mail}' where id = 1")
"""


@pytest.fixture
def root() -> Iterator[Path]:
    with open_directory() as path:
        yield path


def published(root: Path, execution: Execution) -> dict[str, str]:
    """All that is published of a build but what its programs print, by name, with result.json."""
    findings = (*execution.findings, *judge(execution.datasets))
    outcome = evolve(outcomes.failing(), datasets=execution.datasets, findings=findings, verdict=Verdict.FAILURE)
    (artifacts,) = root.glob("workspace-*/artifacts")
    files = {path.name: path.read_text("utf-8", "replace") for path in artifacts.rglob("*") if path.is_file()}
    assert files.pop("console.log")
    return {**files, "result.json": to_json(outcome)}


@pytest.mark.parametrize("engine", ["mariadb", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_the_values_in_statements_are_nowhere_in_what_is_published(root: Path, engine: str) -> None:
    project = Releases(root)
    trunk = project.tree("master").revision("a", None)
    (trunk.path / ".thcore.yaml").write_text("dbmigration: {limits: {copied_rows: 1, scanned_rows: 1}}\n")
    change = project.tree("change", like="master")
    change.revision("b", "a", body=BACKFILL).revision("c", "b", body=DUPLICATE)
    write_dataset(project.datasets, "small", SEED, type=engine, confidential={"users": ["mail"]})
    execution = project.gate()
    files = published(root, execution)
    assert [name for name, text in files.items() if any(secret in text for secret in SECRETS)] == []

    told = "update users set mail = ? where id = ?"
    assert told in files["steps.json"]
    (exceeded,) = (finding for finding in judge(execution.datasets) if finding.code == "table-work-exceeded")
    assert "alter table users add constraint other check (mail <> ?)" in exceeded.evidence
    (failed,) = execution.findings
    assert (failed.code, failed.location.step) == ("migration-not-ended", "b->c")
    assert f"statement: {told}" in failed.evidence
    (run,) = execution.datasets
    (offence,) = run.steps[-1].offences
    assert (offence.kind, offence.rows[0]["mail"]) == ("duplicate", "***")
