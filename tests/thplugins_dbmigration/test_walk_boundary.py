"""The leg of a change that begins before any of its steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from thcore.model import DatasetRun, Execution, Severity
from thplugins_dbmigration import messages
from thplugins_dbmigration.options import Judge
from thplugins_dbmigration.tools.alembic import AlembicOptions
from thplugins_dbmigration.walk.release import Fixup, Release

from parts.dataset import write_dataset
from parts.releases import Releases
from parts.servers import open_directory

SEED = """
create table alembic_version (version_num varchar(32) not null primary key);
insert into alembic_version values ('a');
create table item (id integer primary key, name varchar(20));
insert into item values (1, 'spade'), (2, 'rake'), (3, 'rake');
"""
FAILING = "create unique index u on item (name)"


@pytest.fixture
def project(tmp_path: Path) -> Releases:
    """The seed is at a, where the change's leg begins; its third step fails."""
    made = Releases(tmp_path)
    tree = made.tree("change").revision("a", None).revision("b", "a", "alter table item add column b integer")
    tree.revision("c", "b", "update item set b = 1").revision("d", "c", FAILING).revision("e", "d")
    write_dataset(made.datasets, "small", SEED, start=["a"])
    return made


def only(execution: Execution) -> DatasetRun:
    (run,) = execution.datasets
    return run


def walked(execution: Execution) -> list[str]:
    """Each step with the leg that it belongs to, and whether an earlier build ran it."""
    return [
        f"{result.leg or 'change'}: {messages.way(result.step)} {result.result}"
        + (" added" if result.added else "")
        + (" before" if result.from_snapshot else "")
        for result in only(execution).steps
    ]


def boundaries(project: Releases) -> list[str]:
    """The boundaries that are kept."""
    written = [json.loads(path.read_text()) for path in (project.root / "state").rglob("snapshot.json")]
    return sorted(each["parts"]["before"] for each in written if each["kind"] == "boundary")


def test_the_leg_begins_before_the_step_that_is_named_at_a_state_that_is_made_once(project: Releases) -> None:
    first = project.gate(judge=Judge.ALL, begin_before="d")
    own = ["change: c->d failed added", "change: d->e not-run added"]
    assert walked(first) == ["the change before d: a->b ok", "the change before d: b->c ok", *own]
    assert first.message == "3 migrations on 1 dataset"
    passed_over, finding = first.findings
    assert (passed_over.code, passed_over.severity) == ("steps-not-judged", Severity.WARNING)
    assert passed_over.evidence == ("a->b", "b->c")
    assert (finding.code, finding.location.step) == ("migration-not-ended", "c->d")
    assert "--option=dbmigration.begin_before=d -- job" in (finding.command or "")
    project.starts()
    again = project.gate(judge=Judge.ALL, begin_before="d")
    assert walked(again) == [
        "the change before d: a->b ok before",
        "the change before d: b->c ok before",
        *own,
    ]
    assert project.starts() == ["change"] * 2  # once more without rows
    assert again.findings == first.findings
    assert (only(again).start_version, only(again).final_version) == (("a",), ("c",))
    assert boundaries(project) == ["d"]


@pytest.mark.slow
def test_a_state_that_was_kept_is_not_gone_on_from_where_more_is_to_be_judged_than_then(project: Releases) -> None:
    project.tree("master").revision("a", None).revision("b", "a", "alter table item add column b integer")
    project.tree("master").revision("c", "b", "delete from item where id = 1")
    tree = project.tree("change", like="master").revision("b", "a", "alter table item add column b varchar(9)")
    tree.revision("d", "c", "update item set b = 'x'").revision("e", "d", FAILING)
    assert walked(project.gate(keep_boundaries=True))[-4:-2] == ["change: a->b ok added", "change: b->c ok"]
    everything = project.gate(keep_boundaries=True, judge=Judge.ALL)
    assert walked(everything) == [
        "change: a->b ok added",
        "change: b->c ok added",
        "change: c->d ok added",
        "change: d->e failed added",
    ]
    assert [loss.table for step in only(everything).steps for loss in step.losses] == ["item"]
    again = project.gate(keep_boundaries=True, judge=Judge.ALL)
    assert walked(again)[1] == "change: b->c ok added before", "the one of the last build is kept"


@pytest.mark.slow
def test_a_state_that_was_kept_is_not_gone_on_from_when_the_canary_has_begun_to_watch(project: Releases) -> None:
    project.gate(judge=Judge.ALL, keep_boundaries=True, canary=False)
    assert walked(project.gate(judge=Judge.ALL, keep_boundaries=True, canary=True))[0] == "change: a->b ok added"


def test_a_step_of_a_further_chain_is_named_with_the_chain(project: Releases) -> None:
    tree = project.tree("change")
    env = (tree.path / "migrations" / "env.py").read_text()
    for number, name in enumerate(("main", "api")):
        (tree.path / name / "versions").mkdir(parents=True)
        table = "alembic_version" if number == 0 else "version_api"
        (tree.path / name / "env.py").write_text(
            env.replace("connection=connection", f"connection=connection, version_table='{table}'")
        )
    for revision in "ab":
        tree.file(revision).rename(tree.path / "main" / "versions" / f"{revision}.py")
    tree.revision("b", None).revision("x", "b").revision("y", "x", FAILING)
    for revision in "bxy":
        tree.file(revision).rename(tree.path / "api" / "versions" / f"{revision}.py")
    (tree.path / "alembic.ini").write_text(
        "[main]\nscript_location = %(here)s/main\n[api]\nscript_location = %(here)s/api\n"
    )
    two = AlembicOptions(name="main, api")
    (finding,) = project.gate(judge=Judge.ALL, alembic=two).findings
    assert "--option=dbmigration.begin_before=version_api:y -- job" in (finding.command or "")
    before_b = project.gate(judge=Judge.ALL, alembic=two, begin_before="version_api:b")
    assert walked(before_b) == [
        "the change before version_api:b: a->b ok",
        "change: base->b ok added",
        "change: b->x ok added",
        "change: x->y failed added",
    ]
    assert walked(project.gate(judge=Judge.ALL, alembic=two, begin_before="version_api:y"))[-2:] == [
        "the change before version_api:y: b->x ok",
        "change: x->y failed added",
    ]
    assert boundaries(project) == ["version_api:b", "version_api:y"]


@pytest.mark.parametrize(
    ("version", "why", "evidence"),
    [
        ("z", "no step leads to it; these can be named", ("b", "c", "d", "e")),
        ("e", "migration c->d, which comes before, does not end well", "UNIQUE constraint failed: item.name"),
    ],
)
def test_a_state_that_is_not_to_be_had_is_refused_with_what_there_is(
    project: Releases, version: str, why: str, evidence: tuple[str, ...] | str
) -> None:
    execution = project.gate(judge=Judge.ALL, begin_before=version)
    (finding,) = execution.findings
    assert (finding.code, finding.severity) == ("boundary-not-reached", Severity.UNVERIFIED)
    assert finding.message == f"The change's leg cannot begin before {version}: {why}"
    assert finding.evidence == evidence or evidence in " ".join(finding.evidence)
    assert not any(step.added for run in execution.datasets for step in run.steps)
    assert boundaries(project) == []


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", ["mysql", "postgresql"])
def test_half_of_a_failed_step_and_a_fixup_of_the_way_are_in_no_boundary_of_a_real_server(engine: str) -> None:
    with open_directory() as root:
        project = Releases(root)
        project.tree("kilo").revision("a", None).revision("b", "a", "alter table item add column b integer")
        project.tree("master", like="kilo").revision("c", "b", "update item set b = 1")
        tree = project.tree("change", like="master").revision("d", "c", "insert into item values (4, 'hoe', 4)")
        tree.revision("e", "d", "alter table item add column e integer", FAILING)
        tree.revision("f", "e", "update item set e = 1")
        (write_dataset(project.datasets, "small", SEED, type=engine, start=["a"]) / "fix.sql").write_text(
            "delete from item where id = 3;\n"
        )
        kilo = Release("kilo", tag="kilo")
        (finding,) = project.gate(kilo).findings
        assert "--option=dbmigration.begin_before=e -- job" in (finding.command or "")
        for _ in range(2):
            execution = project.gate(kilo, begin_before="e")
            assert [finding.code for finding in execution.findings] == ["steps-not-judged", "migration-not-ended"]
            told = " ".join(execution.findings[1].evidence)
            assert "spade" in told or "rake" in told
            assert "uplicate column" not in told, "MariaDB keeps the one that the step has added before it fails"
        assert walked(execution)[-4:] == [
            "master: b->c ok before",
            "the change before e: c->d ok before",
            "change: d->e failed added",
            "change: e->f not-run added",
        ]
        mended = project.gate(kilo, begin_before="f", fixups=(Fixup("d", sql="fix.sql"),))
        assert walked(mended)[-2:] == ["the change before f: d->e ok", "change: e->f ok added"]
        again = project.gate(kilo, begin_before="f", fixups=(Fixup("d", sql="fix.sql"),))
        assert walked(again)[-2:] == ["the change before f: d->e ok before", "change: e->f ok added"]
        assert only(again).final_version == ("f",)


def test_what_stands_in_the_policy_of_tables_that_went_before_a_leg_began_is_not_told(project: Releases) -> None:
    tree = project.tree("change")
    tree.revision("c", "b", "drop table item").revision("d", "c", "create table shelf (id integer)")
    (tree.path / ".thcore.yaml").write_text("dbmigration: {tables: {item: {copied_rows: 5}}}\n", "utf-8")
    for begin_before, said in ((None, []), ("d", ["steps-not-judged"])):
        execution = project.gate(judge=Judge.ALL, begin_before=begin_before)
        codes = [finding.code for finding in execution.findings]
        assert (codes, walked(execution)[-1]) == (said, "change: d->e ok added")
