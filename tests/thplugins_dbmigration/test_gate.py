from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen

from thcore.errors import CancelledError, DeadlineError, InfrastructureError
from thcore.model import (
    BuildEvent,
    BuildEventKind,
    Census,
    Change,
    ChangeKind,
    Count,
    DatasetRun,
    Execution,
    Finding,
    Measurement,
    Provision,
    Revision,
    Severity,
    Step,
)
from thcore.pipeline.build import Recollect, nothing
from thcore.testing import make_build
from thplugins_dbmigration import gate, messages
from thplugins_dbmigration.engines.sqlite import SQLiteServer
from thplugins_dbmigration.judge import judge
from thplugins_dbmigration.options import DbmigrationOptions, Judge, LearnedLimits, PolicyFrom, SilentLoss
from thplugins_dbmigration.policy import record
from thplugins_dbmigration.walk.balance import FAILED, NEW, NOT_COUNTING, TAKES_NOTHING

from parts.alembic_project import AlembicProject
from parts.dataset import write_dataset

SEED = """
create table alembic_version (version_num varchar(32) not null primary key);
insert into alembic_version values ('a');
create table item (name varchar(20));
insert into item values ('spade'), ('rake');
"""
DUPLICATES = SEED + "insert into item values ('rake');\n"
CHANGE = Change("example/shop", ChangeKind.CHANGE, branch="master", ref="refs/changes/1", number="1", patchset="1")


@frozen
class Shop:
    """A project at two revisions, and its datasets."""

    root: Path
    trunk: AlembicProject
    change: AlembicProject

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    def change_from_trunk(self) -> AlembicProject:
        """Make the change's tree a copy of trunk's."""
        shutil.rmtree(self.change.path)
        shutil.copytree(self.trunk.path, self.change.path)
        return self.change

    def gate(
        self,
        *,
        change: Change = CHANGE,
        provide: Callable[[Revision], Provision] | None = None,
        events: list[BuildEvent] | None = None,
        timeout_s: float | None = None,
        recollect: Recollect = nothing,
        **options: Any,
    ) -> Execution:
        with make_build(
            self.root,
            change=change,
            provide=provide or (lambda _revision: self.trunk.provision()),
            events=events,
            timeout_s=timeout_s,
            recollect=recollect,
            state=self.root / "state",
            build_id=f"b{len(list(self.root.iterdir()))}",
        ) as build:
            provision = self.change.provision()
            wanted = DbmigrationOptions(datasets=self.datasets, **options)
            return gate.run(build, wanted, provision.checkout, provision.environment)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Trunk is at b; the change adds nothing yet."""
    trunk = AlembicProject(tmp_path / "trunk")
    trunk.revision("a", None).revision("b", "a", "alter table item add column price integer")
    made = Shop(tmp_path, trunk, AlembicProject(tmp_path / "change"))
    made.change_from_trunk()
    return made


def said(execution: Execution) -> dict[str, Severity]:
    return {finding.code: finding.severity for finding in (*execution.findings, *judge(execution.datasets))}


def only(execution: Execution) -> Finding:
    (finding,) = execution.findings
    return finding


def steps(run: DatasetRun) -> list[tuple[str, bool, str]]:
    return [(messages.way(step.step), step.added, step.result) for step in run.steps]


def test_a_step_that_the_change_adds_is_run_after_the_target_branch(shop: Shop) -> None:
    write_dataset(shop.datasets, "small", SEED)
    shop.change.revision("c", "b", "create index i on item (name)")
    asked: list[Revision] = []
    events: list[BuildEvent] = []

    def provide(revision: Revision) -> Provision:
        asked.append(revision)
        return shop.trunk.provision()

    before = time.time()
    execution = shop.gate(provide=provide, events=events)
    assert said(execution) == {}
    assert set(asked) == {Revision(branch="master")}
    (run,) = execution.datasets
    assert steps(run) == [("a->b", False, "ok"), ("b->c", True, "ok")]
    assert (run.start_version, run.expected_version, run.final_version) == (("a",), ("c",), ("c",))
    assert (run.name, run.engine, run.tool) == ("small", "sqlite", "alembic")
    assert len(run.fingerprint) == 64
    assert all(step.measurement is not None and step.measurement.wall_s > 0 for step in run.steps)
    began = [step.measurement.began or 0.0 for step in run.steps if step.measurement]
    assert before <= began[0] < began[1] <= time.time()
    told = [event.detail for event in events if event.kind is BuildEventKind.PROGRESS]
    assert "small: master: a->b" in told
    assert "small: b->c" in told
    (artifact,) = execution.artifacts
    assert artifact.name == "datasets/small"
    assert json.loads((artifact.path / "steps.json").read_text())["steps"][1]["step"]["version"] == "c"


def test_what_a_step_of_the_change_touched_is_told_with_what_it_held_before_and_after(shop: Shop) -> None:
    write_dataset(shop.datasets, "small", SEED + "create table other (id integer);\n")
    shop.change.revision(
        "c", "b", "update item set name = '' where name = 'rake'", "insert into item (price) values (3)"
    )
    shop.change.revision("d", "c", "create index i on item (name)", "alter table item add column seen integer")
    shop.change.revision("e", "d", "update item set seen = 1")
    shop.change.revision("f", "e", "create unique index u on item (price)", "nonsense")
    (run,) = shop.gate().datasets
    older, filled, added, seen, failed = (step.census for step in run.steps)

    assert older is None
    assert filled is not None
    (item,) = filled.tables
    assert (item.table, item.rows, filled.untouched, filled.inferred) == ("item", Count(2, 3), {"other": 0}, "")
    assert {column.column: (column.nulls, column.empty, column.distinct) for column in item.columns} == {
        "name": (Count(0, 1), Count(0, 1), Count(2, 2)),
        "price": (Count(2, 2), Count(None, None), Count(0, 1)),
    }
    assert added is not None
    assert (added.tables[0].rows, added.inferred) == (Count(3, 3), TAKES_NOTHING)
    assert seen is not None
    (column,) = seen.tables[0].columns
    assert (column.column, column.nulls, column.unknown["before"]) == ("seen", Count(None, 0), NEW)
    assert failed is not None
    assert (failed.tables[0].rows, failed.unknown) == (Count(3, None), {"after": FAILED})
    (uncounted,) = [step.census for step in shop.gate(silent_loss=SilentLoss.OFF).datasets[0].steps if step.added][:1]
    assert uncounted == Census(unknown=dict.fromkeys(("before", "after"), NOT_COUNTING))


def test_a_step_that_fails_on_data_is_the_changes_fault_with_the_servers_words(shop: Shop) -> None:
    write_dataset(shop.datasets, "doubled", DUPLICATES)
    shop.change.revision("c", "b", "create unique index u on item (name)").revision("d", "c")
    execution = shop.gate()
    finding = only(execution)
    assert finding.message == "FAILURE - Did not find the end of a migration after a start"
    assert (finding.code, finding.severity) == ("migration-not-ended", Severity.FAILURE)
    assert str(finding.location) == "migrations/versions/c.py:11, dataset doubled, step b->c"
    assert "IntegrityError: UNIQUE constraint failed: item.name" in finding.evidence
    (run,) = execution.datasets
    assert steps(run) == [("a->b", False, "ok"), ("b->c", True, "failed"), ("c->d", True, "not-run")]
    assert run.final_version == ("b",)


def test_evidence_names_files_as_they_are_in_the_checkout(shop: Shop) -> None:
    write_dataset(shop.datasets, "small", SEED)
    shop.change.revision("c", "b", body="import os, traceback\ntraceback.print_stack(limit=1)\nos._exit(1)")
    evidence = "\n".join(only(shop.gate()).evidence)
    assert 'File "migrations/versions/c.py", line ' in evidence
    assert str(shop.change.path) not in evidence


def test_a_step_that_ends_its_process_did_not_end(shop: Shop) -> None:
    write_dataset(shop.datasets, "small", SEED)
    shop.change.revision("c", "b", body="import os\nos._exit(0)")
    assert said(shop.gate())["migration-not-ended"] is Severity.FAILURE


def test_every_dataset_is_judged_though_an_earlier_one_fails(shop: Shop) -> None:
    write_dataset(shop.datasets, "a-doubled", DUPLICATES)
    write_dataset(shop.datasets, "b-small", SEED)
    write_dataset(shop.datasets, "c-broken", "create nonsense;")
    write_dataset(shop.datasets, "d-others", SEED, project="example/other")
    shop.change.revision("c", "b", "create unique index u on item (name)")
    execution = shop.gate()
    assert [run.name for run in execution.datasets] == ["a-doubled", "b-small"]
    assert steps(execution.datasets[1])[-1] == ("b->c", True, "ok")
    assert [(finding.code, finding.location.dataset) for finding in execution.findings] == [
        ("migration-not-ended", "a-doubled"),
        ("seed-not-set-up", "c-broken"),
    ]


def test_a_seed_that_does_not_load_is_no_verdict_about_the_change(shop: Shop) -> None:
    write_dataset(shop.datasets, "broken", "create nonsense;")
    finding = only(shop.gate())
    assert finding.message == "FAILURE - Could not setup seed database."
    assert finding.severity is Severity.UNVERIFIED
    assert "seed.sql" in finding.evidence[0]


def test_a_seed_at_another_version_than_its_config_says_is_not_used(shop: Shop) -> None:
    write_dataset(shop.datasets, "small", SEED, start=["z"])
    finding = only(shop.gate())
    assert finding.code == "seed-not-set-up"
    assert "the seed is at a, but config.json says start: z" in finding.evidence


@pytest.mark.parametrize("broken", ["no dataset", "no directory", "no seed"])
def test_no_dataset_is_never_a_pass(shop: Shop, broken: str) -> None:
    if broken == "no dataset":
        write_dataset(shop.datasets, "others", SEED, project="example/other")
    elif broken == "no seed":
        (write_dataset(shop.datasets, "small", SEED) / "seed.sql").unlink()
    finding = only(shop.gate())
    assert finding.message == "FAILURE - Could not find seed database."
    assert (finding.code, finding.severity) == ("seed-not-found", Severity.UNVERIFIED)


def test_a_target_branch_that_fails_by_itself_is_not_the_changes_fault(shop: Shop) -> None:
    shop.trunk.revision("c", "b", "create unique index u on item (name)")
    shop.change_from_trunk().revision("d", "c")
    write_dataset(shop.datasets, "doubled", DUPLICATES)
    finding = only(shop.gate())
    assert (finding.code, finding.severity) == ("trunk-failed", Severity.UNVERIFIED)
    assert "The target branch master does not get through on this dataset by itself" in finding.message
    assert any("UNIQUE constraint" in line for line in finding.evidence)


def test_the_same_failure_is_the_changes_when_all_steps_are_judged(shop: Shop) -> None:
    shop.change.revision("c", "b", "create unique index u on item (name)")
    write_dataset(shop.datasets, "doubled", DUPLICATES)
    for change, judged in ((CHANGE, Judge.ALL), (evolve(CHANGE, kind=ChangeKind.BRANCH), Judge.ADDED)):
        execution = shop.gate(change=change, judge=judged, provide=unwanted)
        assert said(execution) == {"migration-not-ended": Severity.FAILURE}
        assert steps(execution.datasets[0]) == [("a->b", True, "ok"), ("b->c", True, "failed")]


def unwanted(revision: Revision) -> Provision:
    raise AssertionError(f"nobody needs {revision}")


def test_a_target_branch_that_cannot_be_prepared_is_no_verdict(shop: Shop) -> None:
    def provide(_revision: Revision) -> Provision:
        raise InfrastructureError("the git server is away")

    write_dataset(shop.datasets, "small", SEED)
    execution = shop.gate(provide=provide)
    assert said(execution)["trunk-failed"] is Severity.UNVERIFIED
    assert "the git server is away" in execution.findings[0].evidence


def test_an_import_error_of_the_change_fails_it_and_one_of_the_branch_does_not(shop: Shop) -> None:
    write_dataset(shop.datasets, "small", SEED)
    shop.change.revision("c", "b", top="import nowhere_to_be_found")
    finding = only(shop.gate())
    assert finding.message == "FAILURE - Could not import required module."
    assert (finding.code, finding.severity) == ("import-failed", Severity.FAILURE)
    assert "nowhere_to_be_found" in finding.evidence[0]
    shutil.copy(shop.change.file("c"), shop.trunk.file("c"))
    finding = only(shop.gate())
    assert (finding.code, finding.severity) == ("import-failed", Severity.UNVERIFIED)


def test_a_change_that_edits_an_old_migration_is_run_from_the_start_and_judged(shop: Shop) -> None:
    write_dataset(shop.datasets, "doubled", DUPLICATES)
    shop.change.revision("b", "a", "create unique index u on item (name)")
    execution = shop.gate()
    assert said(execution) == {"step-edited": Severity.WARNING, "migration-not-ended": Severity.FAILURE}
    assert steps(execution.datasets[0]) == [("a->b", True, "failed")]


def test_a_change_that_adds_no_step_is_told_that_nothing_was_tested(shop: Shop) -> None:
    write_dataset(shop.datasets, "small", SEED)
    execution = shop.gate()
    assert steps(execution.datasets[0]) == [("a->b", False, "ok")]
    assert said(execution) == {"no-steps": Severity.INFO}


def test_a_branch_that_has_moved_on_is_walked_only_as_far_as_the_change_knows_it(shop: Shop) -> None:
    write_dataset(shop.datasets, "small", SEED)
    shop.trunk.revision("x", "b", "drop table item")
    shop.change.revision("c", "b", "create index i on item (name)")
    execution = shop.gate()
    assert said(execution) == {"step-lacking": Severity.INFO}
    assert execution.findings[0].message == "The change has no migrations/versions/x.py, the migration b->x of master"
    assert steps(execution.datasets[0]) == [("a->b", False, "ok"), ("b->c", True, "ok")]


def test_a_change_that_does_not_reach_its_head_fails(shop: Shop) -> None:
    write_dataset(shop.datasets, "small", SEED)
    shop.change.revision("c", "b", "delete from item")
    shop.change.revision("d", "c", "update alembic_version set version_num = 'c'")
    shop.change.env("""
        from alembic import context
        from sqlalchemy import create_engine, event, pool
        engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
        with engine.connect() as connection:
            @event.listens_for(connection, "before_cursor_execute", retval=True)
            def twist(connection, cursor, statement, parameters, *more):
                return statement.replace("SET version_num='d'", "SET version_num='b'"), parameters
            context.configure(connection=connection)
            with context.begin_transaction():
                context.run_migrations()
    """)
    finding = only(shop.gate())
    assert finding.message == "FAILURE - Final schema version does not match expectation"
    assert (finding.code, finding.severity) == ("final-version-mismatch", Severity.FAILURE)
    assert "the database is at b and not at d" in finding.evidence[0]


def test_a_dataset_with_limits_that_nobody_can_count_is_no_pass(shop: Shop) -> None:
    write_dataset(
        shop.datasets,
        "small",
        SEED,
        Innodb_rows_read={"default": 1000},
        maximum_migration_times={"b->c": 0, "default": 60},
    )
    shop.change.revision("c", "b", "create index i on item (name)")
    execution = shop.gate()
    assert execution.findings == ()
    judged = judge(execution.datasets)
    assert [(finding.code, finding.severity) for finding in judged] == [
        ("migration-too-long", Severity.FAILURE),
        ("counter-missing", Severity.INFO),
        ("counter-missing", Severity.UNVERIFIED),
    ]
    assert judged[0].message == "WARNING - Migration b->c took too long"
    assert "small/config.json: maximum_migration_times.b->c" in judged[0].evidence[0]
    assert judged[2].evidence == (
        "b->c: at most 1000 (small/config.json: Innodb_rows_read.default)",
        "Innodb_rows_read: SQLite does not count rows that are read; limit vm_steps instead",
    )


def test_files_and_variables_are_filled_in_for_each_dataset(shop: Shop) -> None:
    write_dataset(shop.datasets, "small", SEED)
    shop.change.env("""
        import os
        from alembic import context
        from sqlalchemy import create_engine, pool
        url = open(os.environ["SHOP_CONF"]).read().split("=")[1].strip()
        engine = create_engine(url, poolclass=pool.NullPool)
        with engine.connect() as connection:
            context.configure(connection=connection)
            with context.begin_transaction():
                context.run_migrations()
    """)
    shop.change.revision("c", "b")
    files: Mapping[str, str] = {"etc/shop.conf": "url = {url}\n"}
    execution = shop.gate(files=files, variables={"SHOP_CONF": "{config}/etc/shop.conf"})
    assert said(execution) == {}
    assert execution.datasets[0].final_version == ("c",)


def test_a_wrong_placeholder_names_the_option(shop: Shop) -> None:
    write_dataset(shop.datasets, "small", SEED)
    finding = only(shop.gate(variables={"X": "{pasword}"}))
    assert (finding.code, finding.severity) == ("options-invalid", Severity.UNVERIFIED)
    assert "dbmigration.variables.X" in finding.message
    assert "password" in finding.message


def test_a_project_without_any_sign_of_a_tool_is_told_what_to_write(shop: Shop) -> None:
    write_dataset(shop.datasets, "small", SEED)
    (shop.change.path / "alembic.ini").unlink()
    finding = only(shop.gate())
    assert (finding.code, finding.severity) == ("tool-missing", Severity.UNVERIFIED)
    assert "alembic, command" in finding.message


def test_the_datasets_own_tool_and_its_options_count_where_the_job_says_nothing(shop: Shop) -> None:
    (shop.change.path / "alembic.ini").rename(shop.change.path / "other.ini")
    (shop.trunk.path / "alembic.ini").rename(shop.trunk.path / "other.ini")
    shop.change.revision("c", "b")
    write_dataset(shop.datasets, "small", SEED, tool="alembic", tool_options={"config": "other.ini"})
    assert said(shop.gate()) == {}


def test_a_step_that_only_speaks_of_a_full_disk_is_the_changes_fault(shop: Shop) -> None:
    write_dataset(shop.datasets, "small", SEED)
    shop.change.revision("c", "b", body='raise OSError(28, "No space left on device")')
    finding = only(shop.gate())
    assert (finding.code, finding.severity) == ("migration-not-ended", Severity.FAILURE)
    assert "It speaks of a machine that failed (the disk is full); nothing" in finding.evidence[-1]


def test_a_full_disk_is_not_the_changes_fault(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(shop.datasets, "small", SEED)
    shop.change.revision("c", "b", body='raise OSError(28, "No space left on device")')
    monkeypatch.setattr("thplugins_dbmigration.measure.room.NEARLY", 2**70)
    monkeypatch.setattr("thplugins_dbmigration.measure.room.SHARE", 1.0)
    finding = only(shop.gate())
    assert (finding.code, finding.severity) == ("machine-fault", Severity.UNVERIFIED)
    assert " were free in " in finding.evidence[0]


@pytest.mark.parametrize("deadly", ["SIGKILL", "SIGTERM"])
def test_a_program_that_somebody_kills_is_not_the_changes_fault(shop: Shop, deadly: str) -> None:
    write_dataset(shop.datasets, "small", SEED)
    shop.change.revision("c", "b", body=f"import os, signal; os.kill(os.getpid(), signal.{deadly})")
    assert said(shop.gate())["machine-fault"] is Severity.UNVERIFIED


def test_a_program_that_breaks_down_by_itself_is_the_changes_fault(shop: Shop) -> None:
    write_dataset(shop.datasets, "small", SEED)
    shop.change.revision("c", "b", body="import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert said(shop.gate())["migration-not-ended"] is Severity.FAILURE


def test_a_dataset_that_changes_under_a_build_proves_nothing(shop: Shop) -> None:
    seed = write_dataset(shop.datasets, "small", SEED, maximum_migration_times={"default": 0}) / "seed.sql"
    assert seed.is_file()
    shop.change.revision("c", "b", body=f"open({str(seed)!r}, 'a').write('-- more\\n')")
    finding = only(execution := shop.gate())
    assert (finding.code, finding.severity, finding.location.dataset) == (
        "dataset-changed",
        Severity.UNVERIFIED,
        "small",
    )
    assert said(execution) == {"dataset-changed": Severity.UNVERIFIED}


POLICY = "dbmigration:\n  limits: {database_bytes: 0}\n"
EXCUSE = (
    "  exceptions:\n    - {step: c, counter: database_bytes, reason: it is small, owner: us, expires: 9999-12-31}\n"
)


def judged(execution: Execution) -> dict[str, Severity]:
    policy = record.policy_of(execution.records)
    findings = (*execution.findings, *judge(execution.datasets, policy=policy))
    return {finding.code: finding.severity for finding in findings}


def test_a_change_is_judged_by_the_policy_of_its_target_branch(shop: Shop) -> None:
    write_dataset(shop.datasets, "small", SEED)
    shop.change.revision("c", "b", "create table more as select zeroblob(100000)")
    (shop.trunk.path / ".thcore.yaml").write_text(POLICY, "utf-8")
    (shop.change.path / ".thcore.yaml").write_text(POLICY + EXCUSE, "utf-8")

    assert judged(shop.gate()) == {"counter-exceeded": Severity.FAILURE, "policy-edited": Severity.INFO}
    assert judged(shop.gate(policy_from=PolicyFrom.CHANGE)) == {"limit-excused": Severity.INFO}
    (shop.trunk.path / ".thcore.yaml").write_text(POLICY + EXCUSE, "utf-8")
    shutil.rmtree(shop.root / "state")  # another policy is another commit
    execution = shop.gate()
    assert judged(execution) == {"limit-excused": Severity.INFO}
    (artifact,) = execution.artifacts
    (limit, *_) = json.loads((artifact.path / "steps.json").read_text())["steps"][1]["limits"]
    assert (limit["counter"], limit["origin"]) == ("database_bytes", ".thcore.yaml: limits.database_bytes")


def test_a_policy_limits_nothing_that_is_not_the_changes(shop: Shop) -> None:
    write_dataset(shop.datasets, "small", SEED)
    for tree in (shop.trunk, shop.change):
        (tree.path / ".thcore.yaml").write_text(POLICY, "utf-8")

    assert judged(shop.gate()) == {"no-steps": Severity.INFO}


def test_a_policy_that_limits_what_the_engine_cannot_tell_is_no_pass(shop: Shop) -> None:
    write_dataset(shop.datasets, "small", SEED)
    shop.change.revision("c", "b", "create index i on item (name)")
    for tree in (shop.trunk, shop.change):
        (tree.path / ".thcore.yaml").write_text("dbmigration: {limits: {wal_bytes: 5}}\n", "utf-8")

    assert judged(shop.gate()) == {"counter-missing": Severity.UNVERIFIED}


def test_a_misspelt_table_of_the_policy_is_told_and_one_that_is_somewhere_is_not(shop: Shop) -> None:
    write_dataset(shop.datasets, "a-small", SEED)
    write_dataset(shop.datasets, "b-other", SEED + "create table till (id integer);\n")
    shop.change.revision("c", "b", "create table shelf (id integer)").revision("d", "c", "drop table shelf")
    allowed = "{step: d, table: shelf, reason: it is empty, owner: us, expires: 9999-12-31}"
    tables = "{item: {copied_rows: 5}, till: {copied_rows: 5}, shelf: {copied_rows: 5}, itms: {copied_rows: 5}}"
    for tree in (shop.trunk, shop.change):
        text = f"dbmigration: {{tables: {tables}, allowed_losses: [{allowed}], steps: {{a->b: {{vm_steps: 9}}}}}}\n"
        (tree.path / ".thcore.yaml").write_text(text, "utf-8")

    (finding,) = shop.gate().findings
    assert (finding.code, finding.severity) == ("policy-name-unknown", Severity.WARNING)
    assert finding.evidence == ("dbmigration.tables.itms: no dataset of this job has a table itms; did you mean item?",)


def test_a_change_that_writes_a_misspelt_table_into_the_policy_is_told(shop: Shop) -> None:
    write_dataset(shop.datasets, "small", SEED)
    (shop.change.path / ".thcore.yaml").write_text("dbmigration: {small_tables: [itm]}\n", "utf-8")
    assert said(shop.gate()) == {
        "policy-edited": Severity.INFO,
        "policy-name-unknown": Severity.WARNING,
        "no-steps": Severity.INFO,
    }


def test_where_not_all_steps_ran_no_table_is_told_to_be_nowhere(shop: Shop) -> None:
    write_dataset(shop.datasets, "doubled", DUPLICATES)
    shop.change.revision("c", "b", "create unique index u on item (name)")
    shop.change.revision("d", "c", "create table shelf (id integer)")
    for tree in (shop.trunk, shop.change):
        (tree.path / ".thcore.yaml").write_text("dbmigration: {small_tables: [shelf, nowhere]}\n", "utf-8")
    assert set(said(shop.gate())) == {"migration-not-ended"}


def test_what_a_step_cost_before_teaches_what_it_may_cost(shop: Shop) -> None:
    write_dataset(shop.datasets, "small", SEED)
    shop.change.revision("c", "b", "create table more as select zeroblob(100000)")
    asked: list[tuple[str, str, str | None]] = []

    def recollect(step: Step, run: DatasetRun, change: Change, _limit: int) -> tuple[Measurement, ...]:
        asked.append((step.version, run.name, change.number))
        return (Measurement(0.001),) * 20

    (run,) = shop.gate(recollect=recollect).datasets
    assert asked == [("c", "small", "1")]
    assert [limit.origin.split(":")[0] for limit in run.steps[1].limits] == ["learned from 20 runs", "thcore's own"]
    asked.clear()
    shop.gate(recollect=recollect, learned_limits=LearnedLimits.OFF)
    assert asked == []


def test_a_server_that_breaks_proves_nothing_and_others_go_on(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(shop.datasets, "a-first", DUPLICATES, maximum_migration_times={"default": 0})
    write_dataset(shop.datasets, "b-second", SEED)
    shop.change.revision("c", "b", "create unique index u on item (name)")
    real = SQLiteServer.counters

    def counters(self: SQLiteServer, address: Any) -> dict[str, int | None]:
        if "a-first" in address.database and "b" in (self.versions(address, "alembic_version") or ()):
            raise InfrastructureError("the server does not answer", code="server-died")
        return real(self, address)

    monkeypatch.setattr(SQLiteServer, "counters", counters)
    execution = shop.gate()
    finding = only(execution)
    assert (finding.code, finding.severity, finding.location.dataset) == (
        "server-died",
        Severity.UNVERIFIED,
        "a-first",
    )
    assert said(execution) == {"server-died": Severity.UNVERIFIED}
    assert steps(execution.datasets[1])[-1] == ("b->c", True, "ok")


def test_a_broken_tool_is_no_verdict_and_does_not_stop_the_other_datasets(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(shop.datasets, "a-first", SEED)
    write_dataset(shop.datasets, "b-second", SEED)
    shop.change.revision("c", "b")
    real = SQLiteServer.counters

    def counters(self: SQLiteServer, address: Any) -> dict[str, int | None]:
        if "a-first" in address.database:
            raise ZeroDivisionError("oops")
        return real(self, address)

    monkeypatch.setattr(SQLiteServer, "counters", counters)
    execution = shop.gate()
    finding = only(execution)
    assert (finding.code, finding.severity) == ("gate-failed", Severity.UNVERIFIED)
    assert finding.message == "The gate broke: ZeroDivisionError: oops"
    assert execution.datasets[1].final_version == ("c",)


def test_a_deadline_in_the_middle_of_a_step_passes_through_the_gate(shop: Shop) -> None:
    write_dataset(shop.datasets, "small", SEED)
    shop.gate()  # what comes before the step is there then, however slow the machine
    shop.change.revision("c", "b", body="import threading\nthreading.Event().wait()")
    events: list[BuildEvent] = []
    with pytest.raises(DeadlineError):
        shop.gate(events=events, timeout_s=15.0)
    assert events[-1].detail == "small: b->c"


def test_a_cancel_passes_through_the_gate(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(shop.datasets, "small", SEED)

    def counters(self: SQLiteServer, address: Any) -> dict[str, int | None]:
        raise CancelledError("stopped")

    monkeypatch.setattr(SQLiteServer, "counters", counters)
    with pytest.raises(CancelledError):
        shop.gate()
