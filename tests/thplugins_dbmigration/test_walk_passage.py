"""A dataset's way through releases, target branch and change."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import BuildEvent, BuildEventKind, DatasetRun, Execution, Severity
from thplugins_dbmigration import messages, snapshots
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.sqlite import SQLiteServer
from thplugins_dbmigration.judge import judge
from thplugins_dbmigration.options import Judge, SilentLoss
from thplugins_dbmigration.snapshots import Key, Snapshot
from thplugins_dbmigration.tools.alembic import AlembicOptions
from thplugins_dbmigration.walk.release import Fixup, Release

from parts.dataset import write_dataset
from parts.releases import CHANGE, Releases

SEED = """
create table alembic_version (version_num varchar(32) not null primary key);
insert into alembic_version values ('a');
create table item (name varchar(20));
insert into item values ('spade'), ('rake'), ('rake');
"""
KILO, LIBERTY = Release("kilo", tag="kilo"), Release("liberty", branch="liberty")


@pytest.fixture
def project(tmp_path: Path) -> Releases:
    """Kilo ends at c, liberty at d, the target branch at e; the change adds f. The seed is at a."""
    made = Releases(tmp_path)
    made.tree("kilo").revision("a", None).revision("b", "a", "alter table item add column b integer")
    made.tree("kilo").revision("c", "b", "alter table item add column c integer")
    made.tree("liberty", like="kilo").revision("d", "c", "alter table item add column d integer")
    made.tree("master", like="liberty").revision("e", "d", "update item set d = 1")
    made.tree("change", like="master").revision("f", "e", "create index i on item (name)")
    write_dataset(made.datasets, "small", SEED, start=["a"], maximum_migration_times={"default": 60})
    return made


def said(execution: Execution) -> dict[str, Severity]:
    return {finding.code: finding.severity for finding in (*execution.findings, *judge(execution.datasets))}


def only(execution: Execution) -> DatasetRun:
    (run,) = execution.datasets
    return run


def walked(run: DatasetRun) -> list[str]:
    """Each step with whose code ran it, and whether it was this build that did."""
    return [
        f"{result.leg or 'change'} {messages.way(result.step)} {result.result}"
        + (" added" if result.added else "")
        + (" before" if result.from_snapshot else "")
        for result in run.steps
    ]


ALL = [
    "release kilo a->b ok",
    "release kilo b->c ok",
    "release liberty c->d ok",
    "master d->e ok",
    "change e->f ok added",
]


def test_a_dataset_climbs_through_every_release_with_the_code_of_its_time(project: Releases) -> None:
    events: list[BuildEvent] = []
    execution = project.gate(KILO, LIBERTY, events=events)
    assert said(execution) == {}
    run = only(execution)
    assert walked(run) == ALL
    assert (run.start_version, run.expected_version, run.final_version) == (("a",), ("f",), ("f",))
    assert all(result.measurement is not None for result in run.steps)
    assert set(run.conditions) >= {"clone", "file_system", "settings"}
    assert project.prepared() == ["kilo", "liberty", "master"]
    assert project.starts() == ["kilo", "liberty", "master", "change"]
    told = [event.detail for event in events if event.kind is BuildEventKind.PROGRESS]
    assert "small: release kilo: a->b" in told
    assert "small: e->f" in told


def test_a_change_on_a_known_target_branch_starts_the_project_once_and_prepares_nothing(project: Releases) -> None:
    first = only(project.gate(KILO, LIBERTY))
    project.prepared()
    project.starts()
    execution = project.gate(KILO, LIBERTY)
    assert said(execution) == {}
    assert (project.prepared(), project.starts()) == ([], ["change"])
    run = only(execution)
    assert walked(run) == [f"{line} before" for line in ALL[:-1]] + ALL[-1:]
    assert [result.measurement for result in run.steps[:-1]] == [result.measurement for result in first.steps[:-1]]
    assert (run.start_version, run.final_version) == (("a",), ("f",))
    assert execution.message == "1 migration on 1 dataset"


def test_what_an_earlier_build_measured_is_not_judged_again(project: Releases) -> None:
    write_dataset(project.datasets, "strict", SEED, maximum_migration_times={"default": 60, "b": 0})
    assert "migration-too-long" in said(project.gate())
    assert "migration-too-long" not in said(project.gate())


def test_a_release_that_is_known_is_where_a_new_target_branch_starts(project: Releases) -> None:
    project.gate(KILO, LIBERTY)
    project.tree("master").revision("e2", "e")
    project.tree("change", like="master").revision("f", "e2")
    project.prepared()
    project.starts()
    execution = project.gate(KILO, LIBERTY)
    assert said(execution) == {}
    assert (project.prepared(), project.starts()) == (["master"], ["master", "change"])
    assert walked(only(execution))[2:5] == ["release liberty c->d ok before", "master d->e ok", "master e->e2 ok"]


def test_a_release_leads_no_further_than_it_is_said_to(project: Releases) -> None:
    execution = project.gate(evolve(LIBERTY, until="b"))
    assert said(execution) == {}
    assert walked(only(execution))[:2] == ["release liberty a->b ok", "master b->c ok"]


def test_a_release_has_its_own_tool_options_files_and_environment(project: Releases) -> None:
    tree = project.tree("kilo")
    (tree.path / "alembic.ini").rename(tree.path / "old.ini")
    (tree.path / "migrations" / "env.py").write_text(
        (tree.path / "migrations" / "env.py").read_text() + "\nassert open(os.environ['CONF']).read() == 'kilo'\n"
    )
    release = evolve(
        KILO,
        tool="alembic",
        tool_options={"config": "old.ini"},
        variables={"CONF": "{config}/a.conf"},
        files={"a.conf": "kilo"},
        options={"venv": {"python": "3.9"}},
    )
    assert said(project.gate(release)) == {}
    assert ("kilo", {"venv": {"python": "3.9"}}) in project.provided


def test_a_release_whose_options_are_wrong_is_named(project: Releases) -> None:
    execution = project.gate(evolve(KILO, tool_options={"konfig": "old.ini"}))
    (finding,) = execution.findings
    assert (finding.code, finding.severity) == ("options-invalid", Severity.UNVERIFIED)
    assert finding.message.startswith("release kilo: ")
    assert "konfig" in finding.message


def test_a_fixup_is_run_where_it_is_due_and_once(project: Releases) -> None:
    (project.datasets / "small" / "fix.sql").write_text("delete from item where rowid = 3;")
    project.tree("kilo").revision("c", "b", "create unique index u on item (name)")
    project.tree("liberty", like="kilo").revision("d", "c")
    project.tree("master", like="liberty").revision("e", "d")
    project.tree("change", like="master").revision("f", "e")
    assert said(project.gate(KILO)) == {"release-failed": Severity.UNVERIFIED, "no-steps": Severity.INFO}
    project.starts()
    execution = project.gate(evolve(KILO, fixups=(Fixup("b", sql="fix.sql"),)))
    assert said(execution) == {}
    assert walked(only(execution))[:2] == ALL[:2]
    assert project.starts() == ["kilo", "kilo", "master", "change"]


def test_a_fixup_may_be_a_program_of_the_project_and_may_be_needed_after_the_target_branch(project: Releases) -> None:
    script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()"
    project.tree("change").revision("f", "e", "create unique index u on item (name)")
    (project.tree("change").path / "fix.py").write_text(script)
    (project.tree("master").path / "fix.py").write_text(script)
    argv = ("python3", "fix.py", "{database}", "delete from item where rowid = 3")
    assert "migration-not-ended" in said(project.gate())
    assert said(project.gate(fixups=(Fixup("e", command=argv),))) == {}


def test_data_migrations_between_two_steps_of_a_release_are_the_command_that_the_release_has_for_them(
    project: Releases,
) -> None:
    program = "import sqlite3, sys; c = sqlite3.connect(sys.argv[2]); c.execute('update item set b = 1'); c.commit()"
    refuses = """
    left = op.get_bind().exec_driver_sql("select count(*) from item where b is null").scalar()
    if left:
        raise ValueError(f"{left} items are not migrated")
    """
    project.tree("kilo").revision("c", "b", body=refuses)
    project.tree("liberty", like="kilo").revision("d", "c")
    project.tree("master", like="liberty").revision("e", "d")
    project.tree("change", like="master").revision("f", "e")
    (project.tree("kilo").path / "manage.py").write_text(program)
    execution = project.gate(KILO, LIBERTY)
    assert said(execution) == {"release-failed": Severity.UNVERIFIED, "no-steps": Severity.INFO}
    assert "3 items are not migrated" in "\n".join(execution.findings[0].evidence)
    argv = ("python3", "manage.py", "online_data_migrations", "{database}")
    execution = project.gate(evolve(KILO, fixups=(Fixup("b", command=argv),)), LIBERTY)
    assert said(execution) == {}
    assert walked(only(execution)) == ALL


def test_a_fixup_that_fails_is_told_with_its_last_words(project: Releases) -> None:
    (project.datasets / "small" / "fix.sql").write_text("delete from nothing;")
    execution = project.gate(evolve(KILO, fixups=(Fixup("b", sql="fix.sql"),)))
    (finding,) = execution.findings
    assert (finding.code, finding.severity) == ("fixup-failed", Severity.UNVERIFIED)
    assert finding.message == "release kilo: The fix-up at b failed: fix.sql"
    assert "nothing" in "\n".join(finding.evidence)


def test_a_release_that_fails_is_not_the_changes_fault_and_is_not_kept(project: Releases) -> None:
    project.tree("kilo").revision("c", "b", "create unique index u on item (name)")
    for again in (False, True):
        execution = project.gate(KILO, LIBERTY)
        (finding,) = execution.findings
        assert (finding.code, finding.severity) == ("release-failed", Severity.UNVERIFIED)
        assert "release kilo" in finding.message
        assert "b->c" in str(finding.location)
        assert "UNIQUE constraint failed" in "\n".join(finding.evidence)
        assert walked(only(execution)) == ["release kilo a->b ok", "release kilo b->c failed"], again
    assert project.starts() == ["kilo", "kilo"]


def test_a_release_that_does_not_end_where_it_is_said_to_is_no_state(project: Releases) -> None:
    (finding,) = project.gate(evolve(KILO, until="zz")).findings
    assert (finding.code, finding.message) == (
        "release-failed",
        "The release kilo does not get through on this dataset: it does not reach zz",
    )
    assert finding.evidence == ("There is no version zz ahead of the database.",)


def test_an_edited_migration_is_judged_from_the_state_before_it(project: Releases) -> None:
    project.gate(KILO, LIBERTY)
    project.starts()
    project.tree("change").revision("e", "d", "create unique index u on item (name)")
    execution = project.gate(KILO, LIBERTY)
    assert said(execution) == {"step-edited": Severity.WARNING, "migration-not-ended": Severity.FAILURE}
    assert execution.findings[0].evidence[0].startswith("From release liberty on")
    assert walked(only(execution)) == [
        *(f"{line} before" for line in ALL[:3]),
        "change d->e failed added",
        "change e->f not-run added",
    ]
    assert project.starts() == ["change", "change"]  # once more, without rows


def test_an_edited_migration_that_a_release_has_run_is_walked_from_before_that_release(project: Releases) -> None:
    project.tree("change").revision("c", "b", "alter table item add column c bigint")
    execution = project.gate(KILO, LIBERTY)
    assert said(execution) == {"step-edited": Severity.WARNING}
    assert execution.findings[0].evidence[0].startswith("From the dataset on")
    assert walked(only(execution)) == [
        "change a->b ok",
        "change b->c ok added",
        "change c->d ok",
        "change d->e ok",
        "change e->f ok added",
    ]


def test_an_edit_of_the_sql_that_a_migration_reads_edits_the_migration(project: Releases) -> None:
    body = "from pathlib import Path\nop.execute(Path(__file__).with_suffix('.sql').read_text())"
    for name in ("master", "change"):
        project.tree(name).revision("e", "d", body=body)
        project.tree(name).file("e").with_suffix(".sql").write_text("update item set d = 1")
    project.tree("change").file("e").with_suffix(".sql").write_text("update item set d = 2")
    execution = project.gate()
    assert said(execution) == {"step-edited": Severity.WARNING}
    assert walked(only(execution))[3:] == ["change d->e ok added", "change e->f ok added"]


def test_a_migration_that_only_the_release_has_otherwise_is_no_edit(project: Releases) -> None:
    project.tree("kilo").revision("c", "b", "alter table item add column c varchar(9)")
    assert said(project.gate(KILO, LIBERTY)) == {}


def test_a_change_behind_its_target_branch_is_walked_with_its_own_code(project: Releases) -> None:
    project.gate(KILO, LIBERTY)
    project.starts()
    project.tree("change", like="liberty").revision("f", "d", "create index i on item (name)")
    execution = project.gate(KILO, LIBERTY)
    assert said(execution) == {"step-lacking": Severity.INFO}
    assert execution.findings[0].location.path == "migrations/versions/e.py"
    assert walked(only(execution))[3:] == ["change d->f ok added"]
    assert project.starts() == ["change"]


def test_an_older_step_that_fails_with_the_changes_code_is_not_judged(project: Releases) -> None:
    project.tree("change", like="liberty").revision("d", "c", "create unique index u on item (name)")
    project.tree("change").file("d").rename(project.tree("change").file("renamed"))
    execution = project.gate(KILO)
    assert said(execution)["step-lacking"] is Severity.INFO
    project.tree("change", like="master").revision("e", "d", "select 1")
    project.tree("change").revision("d", "c", "create unique index u on item (name)", body="raise OSError('x')")
    assert said(project.gate(KILO))["migration-not-ended"] is Severity.FAILURE


def test_all_steps_from_the_last_release_on_are_judged_where_there_is_no_target_branch(project: Releases) -> None:
    execution = project.gate(KILO, judge=Judge.ALL)
    assert said(execution) == {}
    assert walked(only(execution))[1:3] == ["release kilo b->c ok", "change c->d ok added"]
    assert project.prepared() == ["kilo"]


def test_a_seed_that_is_not_where_it_says_is_found_out_on_the_way_to_the_first_state(project: Releases) -> None:
    path = project.datasets / "small" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "start": ["z"]}))
    (finding,) = project.gate(KILO).findings
    assert (finding.code, finding.evidence) == (
        "seed-not-set-up",
        ("the seed is at a, but config.json says start: z",),
    )


def test_a_seed_at_several_versions_may_be_told_by_some_of_them(project: Releases) -> None:
    for name in ("kilo", "master", "change"):
        project.tree(name).revision("left", None)
    seed = SEED + "insert into alembic_version values ('left');"
    shutil.rmtree(project.datasets)
    write_dataset(project.datasets, "some", seed, start=["a"], maximum_migration_times={"default": 60})
    write_dataset(project.datasets, "other", seed, start=["a", "z"], maximum_migration_times={"default": 60})
    (finding,) = project.gate(KILO).findings
    assert finding.location.dataset == "other"
    assert finding.evidence == ("the seed is at a, left, but config.json says start: a, z",)


def test_a_release_may_lead_to_a_label_of_its_tool(project: Releases) -> None:
    for name in ("kilo", "master", "change"):
        project.tree(name).revision("b", "a", "alter table item add column b integer", label="newton")
    execution = project.gate(evolve(KILO, until="newton"))
    assert said(execution) == {}
    assert walked(only(execution))[:2] == ["release kilo a->b ok", "master b->c ok"]


@pytest.mark.slow
def test_eight_builds_at_once_make_every_state_once(project: Releases) -> None:
    executions: list[Execution] = []

    def build() -> None:
        executions.append(project.gate(KILO, LIBERTY))

    threads = [threading.Thread(target=build) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [said(execution) for execution in executions] == [{}] * 8
    assert sorted(project.starts()) == [*["change"] * 8, "kilo", "liberty", "master"]
    assert sorted(project.prepared()) == ["kilo", "liberty", "master"]


def damaging(times: Container[int], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Has a snapshot damaged just before it is cloned, at the given times. Answers what kinds are cloned."""
    clone: Callable[[Build, Snapshot, Path], None] = snapshots.clone
    cloned: list[str] = []

    def spoil(build: Build, snapshot: Snapshot, target: Path) -> None:
        cloned.append(snapshot.key.kind)
        if len(cloned) in times:
            database = next(path for path in snapshot.data.rglob("*") if path.is_file())
            database.chmod(0o600)
            database.write_bytes(b"spoiled")
        clone(build, snapshot, target)

    monkeypatch.setattr(snapshots, "clone", spoil)
    return cloned


@pytest.mark.parametrize(
    ("time", "kind", "times", "what"),
    [
        (1, "dataset", 2, "the dataset as it was restored"),
        (2, "release", 2, "release kilo"),
        (3, "trunk", 3, "master"),
    ],
)
def test_a_state_that_is_damaged_while_it_is_cloned_is_made_again_in_the_same_build(
    project: Releases, monkeypatch: pytest.MonkeyPatch, time: int, kind: str, times: int, what: str
) -> None:
    cloned = damaging([time], monkeypatch)
    execution = project.gate(KILO)
    (finding,) = execution.findings
    assert (finding.code, finding.severity) == ("snapshot-remade", Severity.INFO)
    assert finding.message == f"A damaged snapshot was made again: {what}"
    assert finding.location.dataset == "small"
    (wrong,) = finding.evidence
    assert "sqlite" in wrong
    assert [line.partition(" added")[0] for line in walked(only(execution))][:2] == ALL[:2]
    assert cloned.count(kind) == times
    (log,) = project.logs()
    assert "the snapshot is damaged: " in log
    assert "the snapshot is damaged; making it again" in log


def test_a_state_that_is_damaged_twice_says_nothing_about_the_change(
    project: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloned = damaging([1, 2], monkeypatch)
    (finding,) = project.gate(KILO).findings
    assert (finding.code, finding.severity) == ("snapshot-damaged", Severity.UNVERIFIED)
    assert cloned == ["dataset", "dataset"]


def test_a_state_whose_notes_cannot_be_read_is_made_again(project: Releases) -> None:
    project.gate(KILO)
    told = {path: json.loads(path.read_text()) for path in (project.root / "state").rglob("snapshot.json")}
    (marker,) = (path for path, written in told.items() if written["kind"] == "trunk")
    marker.write_text(json.dumps({**told[marker], "notes": {"steps": 5}}))
    project.starts()
    assert said(project.gate(KILO)) == {}
    assert project.starts() == ["master", "change"]


def test_releases_and_fixups_may_stand_in_the_dataset(project: Releases) -> None:
    (project.datasets / "small" / "fix.sql").write_text("delete from item where rowid = 3;")
    path = project.datasets / "small" / "config.json"
    releases = [{"name": "kilo", "tag": "kilo", "until": ["b"], "fixups": [{"at": "b", "sql": "fix.sql"}]}]
    path.write_text(json.dumps({**json.loads(path.read_text()), "releases": releases}))
    execution = project.gate(LIBERTY)
    assert said(execution) == {}
    assert walked(only(execution))[:2] == ["release kilo a->b ok", "master b->c ok"]


def test_the_state_before_a_step_that_fails_is_kept_and_the_step_repeated_from_it(project: Releases) -> None:
    write_dataset(project.datasets, "strict", SEED, maximum_migration_times={"f": 0, "default": 60})
    tree = project.tree("change").revision("g", "f", "create unique index u on item (name)").revision("h", "g")
    first = project.gate(keep_boundaries=True)
    assert "migration-not-ended" in said(first)
    assert all("From the state before it, which is kept" in (finding.hint or "") for finding in first.findings)
    project.starts()
    execution = project.gate(keep_boundaries=True)
    assert said(execution) == {"migration-not-ended": Severity.FAILURE, "migration-too-long": Severity.FAILURE}
    small, strict = execution.datasets
    assert walked(small) == walked(strict)
    assert walked(small)[-3:] == [
        "change e->f ok added before",
        "change f->g failed added",
        "change g->h not-run added",
    ]
    assert small.steps[-3].measurement == first.datasets[0].steps[-3].measurement, "as it was judged"
    assert project.starts() == ["change"] * 4  # each once more, without rows
    tree.revision("g", "f", "create index u on item (name)")
    assert said(project.gate(keep_boundaries=True)) == {"migration-too-long": Severity.FAILURE}


def test_a_step_that_fails_is_told_with_the_command_that_repeats_it(project: Releases) -> None:
    again = "thcore run --project=example/shop --branch=master --ref=refs/changes/1 -- job"
    project.tree("change").revision("g", "f", "create unique index u on item (name)")
    (finding,) = project.gate().findings
    assert (finding.hint or "").endswith(
        "From the state before it, which is made once, this repeats it where the gate runs:"
    )
    assert finding.command == again.replace("-- job", "--option=dbmigration.begin_before=g -- job")
    project.tree("change").revision("f", "e", "create unique index u on item (name)")
    (finding,) = project.gate().findings
    assert (finding.hint or "").endswith(
        "From the state before it, which is kept, this repeats it where the gate runs:"
    )
    assert finding.command == again


def test_only_what_a_step_of_the_change_loses_is_told(project: Releases) -> None:
    project.tree("master").revision("e", "d", "delete from item where rowid = 3")
    project.tree("change", like="master").revision("f", "e", "delete from item where rowid = 2")
    execution = project.gate(KILO, LIBERTY)
    assert said(execution) == {"rows-vanished": Severity.WARNING}
    lost = [[(loss.table, loss.before, loss.after) for loss in result.losses] for result in only(execution).steps]
    assert lost == [[], [], [], [], [("item", 2, 1)]]
    assert said(project.gate(KILO, LIBERTY, silent_loss=SilentLoss.OFF)) == {}


def test_a_change_without_branch_is_judged_from_the_last_release(project: Releases) -> None:
    execution = project.gate(KILO, change=evolve(CHANGE, branch=None))
    assert walked(only(execution))[2] == "change c->d ok added"


def test_a_change_that_fails_with_no_step_ahead_does_not_pass(project: Releases) -> None:
    env = project.tree("change", like="master").path / "migrations" / "env.py"
    env.write_text(env.read_text() + "\nraise RuntimeError('before the second chain')\n")
    execution = project.gate()
    assert said(execution) == {"tool-unusable": Severity.FAILURE, "no-steps": Severity.INFO}
    assert "RuntimeError: before the second chain" in execution.findings[0].message


def test_a_full_disk_before_the_first_step_is_not_the_changes_fault_and_words_of_one_are_no_excuse(
    project: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.gate()
    env = project.tree("change").path / "migrations" / "env.py"
    env.write_text("raise OSError(28, 'No space left on device')\n")
    assert said(project.gate()) == {"tool-unusable": Severity.FAILURE, "no-steps": Severity.INFO}
    monkeypatch.setattr("thplugins_dbmigration.measure.room.NEARLY", 2**70)
    monkeypatch.setattr("thplugins_dbmigration.measure.room.SHARE", 1.0)
    execution = project.gate()
    assert said(execution) == {"machine-fault": Severity.UNVERIFIED, "no-steps": Severity.INFO}
    assert "the disk is full" in execution.findings[0].message


def test_a_server_that_breaks_says_nothing_of_what_got_lost_before(
    project: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.tree("change", like="master").revision("f", "e", "delete from item").revision("g", "f", "select 1")
    ask = SQLiteServer.versions

    def versions(self: SQLiteServer, address: Address, table: str) -> frozenset[str] | None:
        found = ask(self, address, table)
        if found == {"g"}:
            raise InfrastructureError("the server does not answer", code="server-died")
        return found

    monkeypatch.setattr(SQLiteServer, "versions", versions)
    execution = project.gate(silent_loss=SilentLoss.FAILURE)
    assert said(execution) == {"server-died": Severity.UNVERIFIED}
    told = json.loads((execution.artifacts[0].path / "steps.json").read_text())
    assert [step["step"]["version"] for step in told["steps"]][-2:] == ["f", "g"]


FAILING = "create unique index u on item (name)"


def test_that_the_state_before_a_step_cannot_be_kept_changes_no_verdict(
    project: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.tree("change").revision("g", "f", FAILING)
    keep = snapshots.frozen

    def frozen(build: Build, key: Key, what: str, make: Any) -> Snapshot:
        if key.kind == "boundary":
            raise OSError("the disk has gone")
        return keep(build, key, what, make)

    monkeypatch.setattr(snapshots, "frozen", frozen)
    assert said(project.gate(keep_boundaries=True)) == {"migration-not-ended": Severity.FAILURE}


def test_the_state_before_a_step_is_another_one_with_other_fixups(project: Releases) -> None:
    project.tree("change").revision("g", "f", FAILING)
    (project.datasets / "small" / "fix.sql").write_text("delete from item where rowid = 3;")
    fixups = (Fixup("c", sql="fix.sql"),)
    assert "migration-not-ended" in said(project.gate(judge=Judge.ALL, keep_boundaries=True))
    execution = project.gate(judge=Judge.ALL, keep_boundaries=True, fixups=fixups)
    assert said(execution) == {}, "nor is the next step blamed for what the fix-up takes away"
    assert not any(result.from_snapshot for result in only(execution).steps)


def test_what_the_change_adds_is_decided_anew_for_a_state_that_was_kept(project: Releases) -> None:
    project.tree("master").revision("e2", "e")
    tree = project.tree("change", like="master").revision("e2", "e", "update item set d = 2")
    tree.revision("g", "e2", FAILING)
    project.gate(LIBERTY, judge=Judge.ALL, keep_boundaries=True)
    execution = project.gate(LIBERTY, keep_boundaries=True)
    assert walked(only(execution))[-3:] == [
        "change d->e ok before",
        "change e->e2 ok added before",
        "change e2->g failed added",
    ]


def test_a_version_table_of_any_name_may_shrink_when_heads_are_merged(project: Releases) -> None:
    shutil.rmtree(project.datasets)
    write_dataset(project.datasets, "small", SEED.replace("alembic_version", "history"), start=["a"])
    project.tree("master").revision("x", "a")
    project.tree("change", like="master").revision("f", ("e", "x"))
    for name in ("master", "change"):
        env = project.tree(name).path / "migrations" / "env.py"
        env.write_text(
            env.read_text().replace("connection=connection", "connection=connection, version_table='history'")
        )
    own = AlembicOptions(version_table="history")
    assert said(project.gate(alembic=own, silent_loss=SilentLoss.FAILURE)) == {}


def test_a_start_that_is_written_later_is_looked_at_again(project: Releases) -> None:
    assert said(project.gate()) == {}
    shutil.rmtree(project.datasets)
    write_dataset(project.datasets, "small", SEED, start=["z"])
    assert said(project.gate())["seed-not-set-up"] is Severity.UNVERIFIED
