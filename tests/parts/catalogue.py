"""The catalogue of migrations whose effect is known, and builds of changes that add them.

See tests/catalogue/README.md.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from attrs import Factory, frozen
from cattrs import Converter

from thcore.model import Execution, Finding, Measurement, StepResult
from thcore.pipeline.verdict import judge as verdict_of
from thplugins_dbmigration import messages
from thplugins_dbmigration.judge import judge
from thplugins_dbmigration.options import DbmigrationSettings, SilentLoss
from thplugins_dbmigration.policy.record import policy_of

from parts.alembic_project import ENV
from parts.dataset import write_dataset
from parts.releases import Releases

PLACE = Path(__file__).parents[1] / "catalogue"
ENGINES = ("mysql", "postgresql", "sqlite")
START = "start"
POLICY = ".thcore.yaml"
LEFT = "left behind: "

_HEAD = f"""
CREATE TABLE alembic_version (version_num VARCHAR(64) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('{START}');
"""
_PARENT = "CREATE TABLE {p} (id INTEGER PRIMARY KEY, name VARCHAR(60))"
_TABLE = """CREATE TABLE {t} (id INTEGER PRIMARY KEY, name VARCHAR(60) NOT NULL, mail VARCHAR(60), town INTEGER,
number INTEGER, code VARCHAR(60), born VARCHAR(20), mood VARCHAR(10))"""
_MYSQL = " CHARACTER SET utf8mb4"


@frozen
class Told:
    """What the gate says of a step, and of a build that adds it alone. ``works`` is None where it is not compared."""

    result: str = "ok"
    on_empty: str = ""
    works: tuple[Mapping[str, str], ...] | None = ()
    offences: Mapping[str, int] = Factory(dict)
    losses: Mapping[str, str] = Factory(dict)
    left: tuple[str, ...] = ()
    verdict: str = "SUCCESS"
    codes: tuple[str, ...] = ()


@frozen
class Entry:
    """A migration of the catalogue on one of its engines."""

    name: str
    engine: str
    expected: Told
    seed: tuple[str, ...] = ()
    sql: tuple[str, ...] = ()
    python: str = ""
    rows: int = 300
    limits: Mapping[str, float] = Factory(dict)

    def __str__(self) -> str:
        return f"{self.name}-{self.engine}"

    @property
    def table(self) -> str:
        """The name of its table. A name alone could be one of SQL's words."""
        return f"t_{self.name}"

    @property
    def alone(self) -> bool:
        """Whether nothing can be said of steps that come after it in the same build."""
        return self.expected.result != "ok" or self.expected.verdict == "UNVERIFIED"

    @property
    def waits(self) -> bool:
        """Whether it is about who has to wait, which takes seconds to show."""
        return any(counter.endswith("_wait_s") for counter in self.limits)

    def named(self, text: str) -> str:
        """The text with the names of its tables."""
        return text.replace("{t}", self.table).replace("{p}", f"{self.table}_p")

    def dump(self) -> str:
        """What is in the dataset for it."""
        made = _MYSQL if self.engine == "mysql" else ""
        rows = ",\n".join(
            f"({n}, 'person {n}', '{n}@example.org', {1 + n % 10}, {n}, '{n}', '2020-01-{1 + n % 28:02}', "
            f"'{'bad' if n % 7 == 0 else 'good'}')"
            for n in range(1, self.rows + 1)
        )
        parents = ", ".join(f"({n}, 'town {n}')" for n in range(1, 11))
        statements = (
            *((_PARENT + made, f"INSERT INTO {{p}} VALUES {parents}") if "{p}" in "".join(self._texts) else ()),
            _TABLE + made,
            f"INSERT INTO {{t}} VALUES {rows}",
            *self.seed,
        )
        return "".join(f"{self.named(statement)};\n" for statement in statements)

    @property
    def _texts(self) -> tuple[str, ...]:
        return (*self.seed, *self.sql, self.python)


def read(server: str = "") -> tuple[Entry, ...]:
    """All entries, one for each engine that it is for, as another ``server`` than the machine's takes them where one is
    named. Raises what says where the data are wrong."""
    found = []
    for path in sorted(PLACE.glob("*.yaml")):
        if path.name != "policy.yaml":
            for name, keys in yaml.safe_load(path.read_text("utf-8")).items():
                found += [_entry(name, engine, server, keys) for engine in keys["engines"]]
    return tuple(found)


def pairs() -> dict[str, str]:
    """Each entry's counterpart."""
    files = (path for path in PLACE.glob("*.yaml") if path.name != "policy.yaml")
    return {name: keys["beside"] for path in files for name, keys in yaml.safe_load(path.read_text("utf-8")).items()}


_ABOUT = frozenset({"says", "beside", "engines", "servers", *ENGINES})
_SAID = frozenset({"result", "on_empty", "works", "offences", "losses", "left", "verdict", "codes"})
_strict = Converter(forbid_extra_keys=True)
_strict.register_structure_hook(
    tuple[Mapping[str, str], ...] | None, lambda value, _: None if value is False else tuple(value)
)


def _entry(name: str, engine: str, server: str, keys: Mapping[str, Any]) -> Entry:
    own = {**keys, **keys.get(engine, {}), **keys.get("servers", {}).get(server, {})}
    said = {key: value for key, value in own.items() if key in _SAID}
    done = {key: value for key, value in own.items() if key not in _SAID | _ABOUT}
    made = _strict.structure({"name": name, "engine": engine, "expected": said, **done}, Entry)
    if set(keys) - _ABOUT - _SAID - set(done):
        raise ValueError(f"{name}: unknown keys")
    named = yaml.safe_load(made.named(yaml.safe_dump(said)))
    named["codes"] = sorted(named.get("codes", ()))
    return _strict.structure({"name": name, "engine": engine, "expected": named, **done}, Entry)


@frozen
class Said:
    """What the gate said of an entry, and what its step cost."""

    told: Told
    measurement: Measurement
    findings: tuple[Finding, ...]


@frozen
class Course:
    """A project with a dataset that has the tables of all entries of one engine, and builds of it."""

    project: Releases
    engine: str

    @classmethod
    def of(
        cls, root: Path, engine: str, entries: Sequence[Entry], settings: DbmigrationSettings | None = None
    ) -> Course:
        """Written to disk below ``root``; nothing has run yet."""
        project = Releases(root / engine, settings or DbmigrationSettings())
        own = [entry for entry in entries if entry.engine == engine]
        dump = _HEAD + "".join(entry.dump() for entry in own)
        write_dataset(project.datasets, "catalogue", dump, type=engine)
        master = project.tree("master")
        master.env(ENV)
        master.revision(START, None)
        policy = yaml.safe_load((PLACE / "policy.yaml").read_text("utf-8"))
        policy["dbmigration"]["steps"] = {entry.name: dict(entry.limits) for entry in own if entry.limits}
        (master.path / POLICY).write_text(yaml.safe_dump(policy), "utf-8")
        return cls(project, engine)

    def build(self, entries: Sequence[Entry]) -> Mapping[str, Said]:
        """A change that adds these, one after the other, and what is said of each, by name."""
        change = self.project.tree("change", like="master")
        parent = START
        for entry in entries:
            change.revision(
                entry.name,
                parent,
                *map(entry.named, entry.sql),
                body=entry.named(entry.python),
                top="import time\nimport sqlalchemy as sa",
            )
            parent = entry.name
        execution = self.project.gate(silent_loss=SilentLoss.FAILURE)
        for workspace in self.project.root.glob("workspace-*"):  # there are to be hundreds of builds
            shutil.rmtree(workspace)
        return {entry.name: _said(entry, execution, alone=len(entries) == 1) for entry in entries}


def _said(entry: Entry, execution: Execution, *, alone: bool) -> Said:
    said = (*execution.findings, *judge(execution.datasets, SilentLoss.FAILURE, policy_of(execution.records)))
    # The policy is for all entries, and a build has some of them, on one engine.
    findings = tuple(finding for finding in said if finding.code != "policy-name-unknown")
    (run,) = execution.datasets or (None,)
    step = next((step for step in run.steps if step.step.version == entry.name), None) if run else None
    if run is None or step is None or step.measurement is None:
        raise AssertionError(f"{entry} did not run: " + "\n".join(map(str, findings)))
    way = messages.way(step.step)
    about = tuple(found for found in findings if alone or found.location.step in {way, None})
    works = (
        {work.table: work.kind for work in statement.works}
        for statement in step.measurement.statements
        if statement.works
    )
    told = Told(
        step.result,
        step.on_empty,
        None if entry.expected.works is None else tuple(works),
        {offence.kind: offence.count for offence in step.offences},
        dict(_losses(step)),
        tuple(line.removeprefix(LEFT) for found in about for line in found.evidence if line.startswith(LEFT)),
        verdict_of(about)[0].value,
        tuple(sorted(finding.code for finding in about)),
    )
    return Said(told, step.measurement, about)


def _losses(step: StepResult) -> list[tuple[str, str]]:
    return [
        (
            f"{loss.table}.{loss.column}" if loss.column else loss.table,
            f"{loss.kind} {loss.before} -> {'dropped' if loss.after is None else loss.after}",
        )
        for loss in step.losses
    ]
