"""The catalogue of migrations whose effect is known, and builds of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from attrs import field, frozen

from thcore.model import Execution, Finding, Severity, StepResult
from thplugins_dbmigration.judge import judge
from thplugins_dbmigration.policy.record import policy_of

from parts.dataset import write_dataset
from parts.releases import Releases

ENGINES = ("mysql", "postgresql", "sqlite")
ROWS = 300
POLICY = "dbmigration:\n  limits: {copied_rows: 200, rebuilt_rows: 200}\n"
_WEIGHT = (Severity.FAILURE, Severity.UNVERIFIED, Severity.WARNING)
_COLUMNS = """
id INTEGER PRIMARY KEY, code VARCHAR(20), name VARCHAR(60), word VARCHAR(20), email VARCHAR(60), amount INTEGER,
small INTEGER, state VARCHAR(10) NOT NULL, owner INTEGER, parent INTEGER, day VARCHAR(20), note VARCHAR(200)
"""


@frozen
class Expected:
    """What is known of a migration on one engine."""

    result: str
    works: tuple[str, ...] | None
    codes: tuple[str, ...]
    offence: tuple[str, int] | None
    on_empty: str
    losses: tuple[tuple[str, str], ...]


@frozen
class Migration:
    """One of the catalogue, on one engine. ``table`` is its own, and the name of its revision."""

    name: str
    engine: str
    table: str
    statements: tuple[str, ...]
    body: str
    expected: Expected
    often: bool

    def __str__(self) -> str:
        return f"{self.engine}: {self.name}"

    @property
    def fails(self) -> bool:
        return self.expected.result == "failed"


@frozen
class Seen:
    """What a build has found of a migration."""

    step: StepResult
    findings: tuple[Finding, ...]

    @property
    def as_expected(self) -> Expected:
        """In the catalogue's words."""
        statements = self.step.measurement.statements if self.step.measurement else ()
        told = [finding.code for weight in _WEIGHT for finding in self.findings if finding.severity is weight]
        offences = self.step.offences
        return Expected(
            self.step.result,
            tuple(work.kind for statement in statements for work in statement.works),
            tuple(dict.fromkeys(told)),
            (offences[0].kind, offences[0].count) if offences else None,
            self.step.on_empty,
            tuple((loss.kind, loss.column or "") for loss in self.step.losses if loss.kind != "merged"),
        )


def catalogue(engine: str) -> list[Migration]:
    """Those that an engine has, in the catalogue's order."""
    entries = yaml.safe_load(Path(__file__).with_name("migrations.yaml").read_text("utf-8"))
    return [
        _migration(entry, engine, f"t{number:03}")
        for number, entry in enumerate(entries)
        if engine in entry or "sql" in entry or "python" in entry
    ]


def _migration(entry: Mapping[str, Any], engine: str, table: str) -> Migration:
    statements = tuple(text.replace("{t}", table) for text in entry.get(engine, entry.get("sql", ())))
    body = entry.get("python", "").replace("{t}", table).replace("{{", "{").replace("}}", "}")
    if entry.get("autocommit"):
        lines = [f"    op.execute({text!r})" for text in statements]
        statements, body = (), "\n".join(["with op.get_context().autocommit_block():", *lines])
    result = entry.get("result", "ok")
    works = entry.get("works", () if result == "ok" and "codes" not in entry else None)
    failed = result == "failed"
    expected = Expected(
        result,
        None if works is None else tuple(works),
        tuple(entry.get("codes", ("migration-not-ended",) if failed else ())),
        tuple(entry["offence"]) if "offence" in entry else None,
        entry.get("on_empty", "ok") if failed else "",
        tuple((kind, column) for kind, column in entry.get("losses", ())),
    )
    return Migration(entry["name"], engine, table, statements, body, expected, bool(entry.get("often")))


@frozen
class Builds:
    """Builds of the catalogue's migrations on one engine, below a directory."""

    root: Path
    engine: str
    migrations: Sequence[Migration] = field()
    releases: Releases = field()

    @migrations.default
    def _all(self) -> Sequence[Migration]:
        return catalogue(self.engine)

    @releases.default
    def _made(self) -> Releases:
        made = Releases(self.root)
        trunk = made.tree("master").revision("a", None)
        (trunk.path / ".thcore.yaml").write_text(POLICY, "utf-8")
        write_dataset(made.datasets, "known", "".join(seed(self.migrations)), type=self.engine, start=["a"])
        return made

    def build(self, migrations: Sequence[Migration]) -> dict[str, Seen]:
        """One build of a change that adds these, one after the other; what is found of each, by its table."""
        change = self.releases.tree("change", like="master")
        before = "a"
        for migration in migrations:
            change.revision(migration.table, before, *migration.statements, body=migration.body)
            before = migration.table
        return seen(self.releases.gate())


def seen(execution: Execution) -> dict[str, Seen]:
    """What is found of each step of the change."""
    findings = [
        *execution.findings,
        *judge(execution.datasets, policy=policy_of(execution.records)),
    ]
    (run,) = execution.datasets
    found = {}
    for step in run.steps:
        if step.added:
            version = step.step.version
            own = [each for each in findings if (each.location.step or "").endswith(f"->{version}")]
            found[version] = Seen(step, tuple(own))
    return found


def seed(migrations: Sequence[Migration]) -> Iterator[str]:
    """The dump: a table and its parents for each migration, all with the same rows."""
    yield "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);\n"
    yield "INSERT INTO alembic_version VALUES ('a');\n"
    rows = ",\n".join(_row(number) for number in range(1, ROWS + 1))
    parents = ", ".join(f"({number})" for number in range(1, 11))
    for migration in migrations:
        yield f"CREATE TABLE {migration.table}_p (id INTEGER PRIMARY KEY);\n"
        yield f"INSERT INTO {migration.table}_p VALUES {parents};\n"
        yield f"CREATE TABLE {migration.table} ({_COLUMNS});\n"
        yield f"INSERT INTO {migration.table} VALUES {rows};\n"


def _row(number: int) -> str:
    """Six rows share three names, two words differ in case, five have no email, three amounts need more than 16 bits,
    four parents do not exist, two days are none, four notes are long, one has a letter that latin1 has not."""
    name = f"name {number - 1 if number in {20, 40, 60} else number}"
    word = {100: "Word", 101: "word"}.get(number, f"w{number}")
    email = "NULL" if number % 60 == 0 else f"'{number}@example.org'"
    amount = 40_000 if number % 100 == 0 else number
    state = "old" if number % 3 == 0 else "new"
    parent = 99 if number in {11, 12, 13, 14} else 1 + number % 10
    day = "no day" if number in {70, 71} else f"2024-01-{1 + number % 28:02}"
    note = f"a note of more than twenty letters {number}" if number % 75 == 0 else f"note {number}"
    if number == 200:
        note = "Привет"
    texts = f"'c{number}', '{name}', '{word}', {email}, {amount}, {number % 50}, '{state}', {1 + number % 10}"
    return f"({number}, {texts}, {parent}, '{day}', '{note}')"
