"""Several datasets of a build side by side."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from attrs import frozen

from thcore.errors import CancelledError
from thcore.model import BuildEvent, BuildEventKind, Change, ChangeKind, DatasetRun, Execution, Loss, Provision
from thcore.process.interrupt import Interrupt
from thcore.testing import make_build
from thplugins_dbmigration import gate, messages, snapshots
from thplugins_dbmigration.checks.likeness import Likeness
from thplugins_dbmigration.engines.sqlite import SQLite
from thplugins_dbmigration.measure import meaning
from thplugins_dbmigration.options import DbmigrationOptions, DbmigrationSettings
from thplugins_dbmigration.snapshots import restore
from thplugins_dbmigration.tools.alembic import Alembic
from thplugins_dbmigration.turns import Turns

from parts.alembic_project import AlembicProject
from parts.dataset import write_dataset
from parts.servers import open_directory

CHANGE = Change("example/shop", ChangeKind.CHANGE, branch="master", ref="refs/changes/1", number="1", patchset="1")
SEED = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('a');
CREATE TABLE item (id INTEGER PRIMARY KEY, name VARCHAR(20));
INSERT INTO item VALUES (1, '{name}');
"""
NAME = "\nname = op.get_bind().exec_driver_sql('select name from item where id = 1').scalar()\n"
"""The dataset that a step runs on."""


@frozen
class Yard:
    """A project at two revisions, and datasets of one engine."""

    root: Path
    trunk: AlembicProject
    change: AlembicProject

    @classmethod
    def at(cls, root: Path) -> Yard:
        trunk, change = AlembicProject(root / "trunk"), AlembicProject(root / "change")
        return cls(root, trunk.revision("a", None), change.revision("a", None))

    def revision(self, name: str, parent: str, *statements: str, added: bool = False, **more: Any) -> None:
        """Add a revision to the change, and to the target branch unless it is ``added`` by the change."""
        for tree in (self.change,) if added else (self.trunk, self.change):
            tree.revision(name, parent, *statements, **more)

    def dataset(self, name: str, more: str = "", **keys: Any) -> None:
        write_dataset(self.root / "datasets", name, SEED.format(name=name) + more, **keys)

    def gate(
        self,
        slots: int | None,
        *,
        state: str = "state",
        events: list[BuildEvent] | None = None,
        interrupt: Interrupt | None = None,
        provide: Callable[[], Provision] | None = None,
        **options: Any,
    ) -> tuple[Execution, Path]:
        """What the gate says, and the build log. ``options`` are the job's."""
        with make_build(
            self.root,
            change=CHANGE,
            provide=lambda _revision: (provide or self.trunk.provision)(),
            resolve=lambda _revision: self.trunk.provision().checkout.commit,
            events=events,
            interrupt=interrupt,
            settings=DbmigrationSettings(dataset_slots=slots),
            state=self.root / state,
            build_id=f"b{len(list(self.root.iterdir()))}",
        ) as build:
            provision = self.change.provision()
            wanted = DbmigrationOptions(datasets=self.root / "datasets", **options)
            return gate.run(build, wanted, provision.checkout, provision.environment), build.workspace.log


def meeting(place: Path) -> str:
    """Steps of the datasets first and second that wait until both are there."""
    return NAME + (
        "import pathlib, time\n"
        f"place = pathlib.Path({str(place)!r})\n"
        "(place / name).touch()\n"
        "while not all((place / one).exists() for one in ('first', 'second')):\n"
        "    time.sleep(0.01)\n"
    )


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard.at(tmp_path)


def steps(run: DatasetRun) -> list[tuple[str, bool, str]]:
    return [(messages.way(step.step), step.added, step.result) for step in run.steps]


def test_older_steps_run_side_by_side_and_everything_is_told_in_the_order_of_the_datasets(yard: Yard) -> None:
    there = yard.root / "there"
    there.mkdir()
    yard.revision("b", "a", body=meeting(there))
    yard.revision("c", "b", "alter table item add column price integer", "delete from item where id = 2", added=True)
    for name in ("first", "second"):  # the first takes longer
        yard.dataset(name, "INSERT INTO item VALUES (2, 'more');\n" * (name == "second"))
    execution, log = yard.gate(2)
    assert [run.name for run in execution.datasets] == ["first", "second"]
    for run in execution.datasets:
        assert steps(run) == [("a->b", False, "ok"), ("b->c", True, "ok")]
    assert [artifact.name for artifact in execution.artifacts] == ["datasets/first", "datasets/second"]
    assert execution.message == "4 migrations on 2 datasets"
    lost = [loss for run in execution.datasets for step in run.steps for loss in step.losses]
    assert lost == [Loss("item", None, 2, 1)]
    told = json.loads((execution.artifacts[1].path / "steps.json").read_text())
    assert told["name"] == "second"
    sources = {line.split(" | ")[0].split()[1] for line in log.read_text().splitlines()}
    assert {"first", "second"} <= sources


WITNESS = (
    NAME
    + """
import pathlib, time
place = pathlib.Path({place!r})
began = time.monotonic()
(place / f"{{name}}-{step}").touch()
while time.monotonic() < began + {patience} and len(list(place.glob("*-{step}"))) < 2:
    time.sleep(0.01)
with (place / "witness").open("a") as file:
    file.write(f"{{name}} {step} {{began}} {{time.monotonic()}}\\n")
"""
)
"""A step that waits for the same one of another dataset, in vain when it is judged, and writes down when it ran."""


class Witness:
    """Sees that what is ``watched`` begins and ends in a turn beside others."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self._here = threading.local()
        for turn in (Turns.alone, Turns.beside):
            monkeypatch.setattr(Turns, turn.__name__, self._within(turn))

    def _within(self, turn: Callable[[Turns], Any]) -> Callable[[Turns], Any]:
        @contextmanager
        def having(turns: Turns) -> Iterator[None]:
            with turn(turns):
                self._here.turn = turn.__name__
                try:
                    yield
                finally:
                    self._here.turn = None

        return having

    def watched(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def working(*arguments: Any, **options: Any) -> Any:
            self._look(work)
            result = work(*arguments, **options)
            self._look(work)
            self.done.append(work.__name__)
            return result

        return working

    def _look(self, work: Callable[..., Any]) -> None:
        assert getattr(self._here, "turn", None) == "beside", f"{work.__name__} without a turn"


def test_nothing_runs_beside_a_step_that_is_judged(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    there = yard.root / "there"
    there.mkdir()
    for parent, name, patience in (("a", "b", 60), ("b", "c", 4), ("c", "d", 0)):
        body = WITNESS.format(place=str(there), step=name, patience=patience)
        yard.revision(name, parent, body=body, added=name != "b")
    for name in ("first", "second"):
        yard.dataset(name)
    witness = Witness(monkeypatch)
    monkeypatch.setattr(restore, "restore", witness.watched(restore.restore))
    monkeypatch.setattr(snapshots, "clone", witness.watched(snapshots.clone))
    execution, _ = yard.gate(2)

    assert [step[2] for run in execution.datasets for step in steps(run)] == ["ok"] * 6
    assert sorted(witness.done) == ["clone"] * 4 + ["restore"] * 2
    seen = [line.split() for line in (there / "witness").read_text().splitlines()]
    spans = [(dataset, step, float(began), float(ended)) for dataset, step, began, ended in seen]
    assert len(spans) == 6
    for dataset, step, began, ended in spans:
        if step != "b":
            others = [span for span in spans if span[0] != dataset]
            assert all(other[3] <= began or other[2] >= ended for other in others)


def test_whatever_else_computes_for_a_dataset_waits_for_steps_that_are_judged(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.revision("a", None, "create table item (id integer primary key, name varchar(20), price integer)")
    yard.revision("c", "a", "update item set price = 1", added=True, back=["update item set price = null"])
    yard.dataset("first", "ALTER TABLE item ADD COLUMN price INTEGER;\nCREATE TABLE stray (id INTEGER);")
    witness = Witness(monkeypatch)
    provide = witness.watched(yard.trunk.provision)
    for name in ("walk", "back", "unlike_models"):
        monkeypatch.setattr(Alembic, name, witness.watched(getattr(Alembic, name)))
    monkeypatch.setattr(SQLite, "initialise", witness.watched(SQLite.initialise))
    monkeypatch.setattr(Likeness, "of", staticmethod(witness.watched(Likeness.of)))

    execution, _ = yard.gate(1, provide=provide)
    assert execution.findings == ()
    assert witness.done == ["initialise", "provision", "walk", "walk"]
    witness.done.clear()
    execution, _ = yard.gate(1, provide=provide, same_schema=True, round_trip=True)
    assert [check.result for check in execution.datasets[0].checks] == ["ok"] * 2
    assert set(witness.done) == {"walk", "of", "initialise", "unlike_models", "provision", "back"}


def test_the_end_of_the_build_ends_all_datasets(yard: Yard) -> None:
    there = yard.root / "there"
    there.mkdir()
    yard.revision("b", "a", body=meeting(there) + "time.sleep(1000)\n")
    for name in ("first", "second"):
        yard.dataset(name)
    ends = Interrupt()

    def cancel() -> None:
        while len(list(there.iterdir())) < 2:
            threading.Event().wait(0.01)
        ends.cancel("enough")

    threading.Thread(target=cancel, daemon=True).start()
    with contextlib.closing(ends), pytest.raises(CancelledError, match="enough"):
        yard.gate(2, interrupt=ends)
    assert sorted(path.name for path in there.iterdir()) == ["first", "second"]
    assert psutil.Process().children(recursive=True) == []


def test_the_progress_of_datasets_side_by_side_is_told_as_one(yard: Yard) -> None:
    there = yard.root / "there"
    there.mkdir()
    yard.revision("b", "a", body=meeting(there))
    for name in ("first", "second"):
        yard.dataset(name)
    events: list[BuildEvent] = []
    yard.gate(2, events=events)
    told = [event for event in events if event.kind is BuildEventKind.PROGRESS]
    both = {event.detail: (event.done, event.total) for event in told}
    assert both["first: master: a->b; second: master: a->b"] == (0, 2)


def test_by_default_there_are_half_as_many_lanes_as_processors_and_four_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    with make_build(tmp_path) as build:
        for processors in (1, 2, 5, 64):
            monkeypatch.setattr("os.sched_getaffinity", lambda _pid, count=processors: set(range(count)))
            found[processors] = gate._lanes(build, 9)
    assert found == {1: 1, 2: 1, 5: 2, 64: 4}


MANY = "".join(f"INSERT INTO item SELECT id + {2**power}, name FROM item;\n" for power in range(12))
"""4096 rows in all."""


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.parametrize("engine", ["mysql", "postgresql"])
def test_what_is_counted_does_not_depend_on_how_many_datasets_are_side_by_side(engine: str) -> None:
    with open_directory() as root:
        yard = Yard.at(root)
        yard.revision("b", "a", "alter table item add column price integer", "update item set price = id")
        yard.revision("c", "b", "update item set price = price + 1 where id > 1000", added=True)
        yard.revision("d", "c", "delete from item where id > 4000", added=True)
        for name in ("first", "second"):
            yard.dataset(name, MANY, type=engine)
        alone, _ = yard.gate(1, state="alone")
        together, _ = yard.gate(2, state="together")

    def counted(execution: Execution) -> list[dict[str, int | None]]:
        return [
            {name: value for name, value in step.measurement.counters.items() if counts_rows(engine, name)}
            for run in execution.datasets
            for step in run.steps
            if step.added and step.measurement is not None
        ]

    assert len(counted(alone)) == 4
    assert counted(together) == counted(alone)
    assert counted(alone)[0]["XInnodb_rows_changed"] in range(3096, 3110)


def counts_rows(engine: str, counter: str) -> bool:
    """Bytes and pages are not the same on any two runs, and neither is how often a session commits."""
    known = meaning(engine, counter)
    return known is not None and known.unit in {"rows", "requests"}
