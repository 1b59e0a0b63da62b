"""What the observer tells of statements in an SQLite file."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from attrs import define, field

from thcore.model import Measurement, Provision, Statement, Step
from thcore.testing import make_build
from thplugins_dbmigration.engines.sqlite import SQLiteServer
from thplugins_dbmigration.engines.sqlite_observed import Observed
from thplugins_dbmigration.measure import difference
from thplugins_dbmigration.measure.watch import Watch
from thplugins_dbmigration.template import Placeholders
from thplugins_dbmigration.tools.alembic import Alembic
from thplugins_dbmigration.tools.django import Django
from thplugins_dbmigration.tools.tool import Project, Tool
from thplugins_dbmigration.tools.yoyo import Yoyo

from parts.alembic_project import AlembicProject
from parts.categories import silent, unknown
from parts.django_project import VARIABLES, DjangoProject
from parts.guide import Told
from parts.observed_sqlite import observe
from parts.yoyo_project import YoyoProject

ROWS = 3000
DOG = "INSERT INTO pets (id, name) VALUES (1, 'dog')"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Pets, none of them with a name."""
    path = tmp_path / "data.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE pets (id INTEGER PRIMARY KEY, name TEXT UNIQUE)")
        connection.executemany("INSERT INTO pets (id) VALUES (?)", ((number + 10,) for number in range(ROWS)))
    return path


def told(database: Path, step: str) -> Observed:
    found = observe(database, step)
    assert found is not None
    return found


def brief(found: Observed) -> list[tuple[str, int, int]]:
    """Text, calls and changed rows of each statement."""
    return [(each.text, each.calls, each.rows_changed) for each in found.statements]


def test_alike_statements_are_one_however_many_there_are(database: Path) -> None:
    found = told(
        database,
        """
        for (number,) in cursor.execute("SELECT id FROM pets").fetchall():
            cursor.execute("UPDATE pets SET name = ? WHERE id = ?", (str(number), number))
        for number in range(1000):
            connection.execute("DELETE FROM pets WHERE id = {} AND name = 'it''s {}'".format(number, number))
        connection.commit()
        """,
    )
    assert brief(found) == [
        ("SELECT id FROM pets", 1, 0),
        ("UPDATE pets SET name = ? WHERE id = ?", ROWS, ROWS),
        ("DELETE FROM pets WHERE id = 0 AND name = 'it''s 0'", 1000, 0),
        ("COMMIT", 1, 0),
    ]
    assert found.counters["rows_changed"] == ROWS
    assert found.counters["vm_steps"] == sum(each.vm_steps for each in found.statements) > ROWS
    assert found.counters["pages_written"] > 1
    assert all(each.wall_s > 0 for each in found.statements)
    assert [each.began for each in found.statements] == sorted(each.began for each in found.statements)
    assert found.began <= found.statements[0].began


def test_nothing_is_taken_together_across_a_change_of_the_schema(database: Path) -> None:
    found = told(
        database,
        """
        for _ in range(2):
            cursor.execute("CREATE TABLE copy AS SELECT * FROM pets")
            cursor.execute("DELETE FROM copy")
            cursor.execute("DELETE FROM copy")
            cursor.execute("DROP TABLE copy")
        """,
    )
    once = [
        ("CREATE TABLE copy AS SELECT * FROM pets", 1, 0),
        ("DELETE FROM copy", 2, ROWS),
        ("DROP TABLE copy", 1, 0),
    ]
    assert brief(found) == once * 2


def test_a_statement_that_fails_is_told_with_its_error(database: Path) -> None:
    found = told(
        database,
        f"""
        cursor.execute({DOG!r})
        for _ in range(3):
            try:
                cursor.execute({DOG!r})
            except sqlite3.IntegrityError:
                pass
        connection.commit()
        cursor.execute("CREATE UNIQUE INDEX lonely ON pets (name IS NULL)")
        """,
    )
    name = "SQLITE_CONSTRAINT_PRIMARYKEY" if sys.version_info >= (3, 11) else "IntegrityError"
    assert [(each.text, each.calls, each.error) for each in found.statements] == [
        (DOG, 1, ""),
        (DOG, 3, f"{name}: UNIQUE constraint failed: pets.id"),
        ("COMMIT", 1, ""),
        (
            "CREATE UNIQUE INDEX lonely ON pets (name IS NULL)",
            1,
            "SQLITE_CONSTRAINT_UNIQUE: UNIQUE constraint failed: index 'lonely'",
        ),
    ]
    assert found.statements[-1].vm_steps > 0


def test_rows_of_a_statement_that_returns_them_are_its_own(database: Path) -> None:
    found = told(
        database,
        """
        first = cursor.execute("DELETE FROM pets WHERE id < 15 RETURNING id")
        assert len(list(first)) == 5
        cursor.execute("DELETE FROM pets WHERE id = 20")
        cursor.execute("UPDATE pets SET name = 'x' WHERE id = 30 RETURNING id").fetchone()
        cursor.close()
        """,
    )
    assert [each.rows_changed for each in found.statements] == [5, 1, 1]


SCRIPT = """\
-- what a file holds
CREATE TABLE log (pet, note DEFAULT '; not the end');
CREATE TRIGGER noted AFTER UPDATE ON pets BEGIN
  INSERT INTO log (pet) VALUES (new.id); UPDATE log SET note = 'x' WHERE pet = new.id;
END;
UPDATE pets SET name = id WHERE id < 15;
UPDATE pets SET name = id WHERE id < 16; ;
/* the last */ DELETE FROM pets WHERE id > 3000; -- and no more
"""


def test_a_script_is_told_statement_by_statement(database: Path) -> None:
    found = told(
        database,
        f"""
        seen = []
        connection.execute("DELETE FROM pets WHERE id = 3009")
        connection.set_trace_callback(seen.append)
        connection.executescript({SCRIPT!r})
        connection.executescript("SELECT 1; SELECT count(*) FROM pets, log")
        assert len(seen) >= 8
        """,
    )
    assert [(each.text.split("\n")[-1][:16], each.calls, each.rows_changed) for each in found.statements] == [
        ("DELETE FROM pets", 1, 1),
        ("COMMIT", 1, 0),
        ("CREATE TABLE log", 1, 0),
        ("END;", 1, 0),
        ("UPDATE pets SET ", 2, 5 * 3 + 6 * 3 + 5),
        ("/* the last */ D", 1, 8),
        ("SELECT 1;", 1, 0),
        ("SELECT count(*) ", 1, 0),
    ]
    assert all(each.wall_s > 0 for each in found.statements)
    assert found.statements[-1].vm_steps > ROWS
    assert sum(each.vm_steps for each in found.statements) == found.counters["vm_steps"]
    assert [each.began for each in found.statements] == sorted(each.began for each in found.statements)


@pytest.mark.parametrize(
    ("failing", "error"),
    [
        (DOG, "UNIQUE constraint failed: pets.id"),
        ("INSERT INTO nowhere VALUES (1)", "no such table: nowhere"),
        ("INSRT INTO pets", 'near "INSRT": syntax error'),
        ("COMMIT", "cannot commit - no transaction is active"),
    ],
)
def test_of_a_script_that_fails_the_statement_is_told_that_failed(database: Path, failing: str, error: str) -> None:
    found = told(database, f"cursor.executescript({f'{DOG};{failing};DROP TABLE pets'!r})")
    first, last = found.statements
    assert (first.text, first.calls, first.error, first.rows_changed) == (f"{DOG};", 1, "", 1)
    assert (last.text, last.calls) == (f"{failing};", 1)
    assert last.error.endswith(f": {error}")


def test_a_long_script_is_not_looked_at_to_its_end_when_that_costs_too_much(database: Path) -> None:
    found = told(
        database,
        """
        sys.modules["thcore_observer.sqlite_ledger"].SHARE = 0
        updates = "UPDATE pets SET name = id WHERE id = 10;" * 15_000
        connection.executescript("BEGIN;" + updates + "DELETE FROM pets; COMMIT")
        """,
    )
    assert [(text[:20], rows) for text, _, rows in brief(found)] == [
        ("BEGIN;", 0),
        ("UPDATE pets SET name", 10_000),
        ("(further statements,", 5_000 + ROWS),
    ]


def test_only_the_dataset_s_file_counts(database: Path) -> None:
    found = told(
        database,
        """
        for other in (sqlite3.connect(sys.argv[1] + "-cache"), sqlite3.connect(":memory:")):
            other.execute("CREATE TABLE notes (id)")
            other.execute("INSERT INTO notes VALUES (1)")
        again = sqlite3.connect("file:{}?mode=rw".format(sys.argv[1]), uri=True)
        again.execute("DELETE FROM pets WHERE id < 12")
        again.commit()
        again.close()
        """,
    )
    assert brief(found) == [("DELETE FROM pets WHERE id < 12", 1, 2), ("COMMIT", 1, 0)]
    assert found.counters["pages_written"] > 0, "the connection was closed before the step had ended"


def test_the_project_s_own_callbacks_stay(database: Path) -> None:
    found = told(
        database,
        """
        seen, traced = [], []
        connection.set_trace_callback(traced.append)
        connection.set_progress_handler(lambda: seen.append(1), 100)
        cursor.execute("UPDATE pets SET name = id")
        assert len(seen) > 100 and any("UPDATE" in text for text in traced)
        """,
    )
    assert brief(found) == [("UPDATE pets SET name = id", 1, ROWS)]
    assert found.totals()["vm_steps"] is None
    assert found.reasons() == {"vm_steps": "the project has a progress handler of its own"}
    [statement] = found.told(found.began)
    assert (statement.counters, statement.unknown) == (
        {"rows_changed": ROWS, "vm_steps": None},
        {"vm_steps": "the project has a progress handler of its own"},
    )


def test_classes_of_the_project_s_own_are_observed(database: Path) -> None:
    found = told(
        database,
        """
        class Words(sqlite3.Cursor):
            def execute(self, sql, parameters=()):
                return sqlite3.Cursor.execute(self, sql.replace("%s", "?"), parameters)

        class Link(sqlite3.Connection):
            def cursor(self):
                return super().cursor(Words)

        with sqlite3.connect(sys.argv[1], factory=Link) as link:
            link.cursor().execute("DELETE FROM pets WHERE id = %s", (10,))
        with sqlite3.connect(sys.argv[1], 5.0, 0, "", True, Link) as link:
            link.execute("DELETE FROM pets WHERE id = ?", (11,))
        assert isinstance(link.cursor(), Words) and isinstance(link, sqlite3.Connection)
        """,
    )
    assert ("DELETE FROM pets WHERE id = ?", 2, 2) in brief(found)


def test_the_same_step_takes_the_same_steps_and_pages(tmp_path: Path, database: Path) -> None:
    content, counted = database.read_bytes(), []
    for number in range(3):
        again = tmp_path / f"{number}.sqlite"
        again.write_bytes(content)
        found = told(
            again,
            """
            cursor.execute("UPDATE pets SET name = 'pet ' || id")
            cursor.execute("CREATE INDEX by_name ON pets (name)")
            connection.commit()
            """,
        )
        counted.append(found.counters)
    assert counted[0] == counted[1] == counted[2]
    assert counted[0]["vm_steps"] > ROWS


def test_many_different_statements_stay_few(database: Path) -> None:
    found = told(
        database,
        """
        for number in range(3000):
            cursor.execute("SELECT id AS c{} FROM pets WHERE id = 1".format(number))
        """,
    )
    assert len(found.statements) == 201
    assert found.statements[-1].text == "(further statements)" or found.statements[0].calls == 1
    assert sum(each.calls for each in found.statements) == 3000


def test_statements_are_no_longer_looked_at_when_that_costs_too_much(database: Path) -> None:
    found = told(
        database,
        """
        sys.modules["thcore_observer.sqlite_ledger"].SHARE = 0
        for number in range(30000):
            connection.execute("UPDATE pets SET name = ? WHERE id = ?", (str(number), 10 + number % 3000))
        connection.commit()
        cursor.execute("CREATE INDEX by_name ON pets (name)")
        """,
    )
    assert [(text, rows) for text, _, rows in brief(found)] == [
        ("UPDATE pets SET name = ? WHERE id = ?", 10_000),
        ("(further statements, too many and too short to be looked at)", 20_000),
        ("COMMIT", 0),
    ]
    assert found.counters["rows_changed"] == 30_000
    assert found.counters["vm_steps"] > 30_000 * 3
    assert found.reasons() == {}


def test_each_step_is_looked_at_anew(database: Path) -> None:
    found = told(
        database,
        """
        sys.modules["thcore_observer.sqlite_ledger"].SHARE = 0
        for number in range(10001):
            cursor.execute("SELECT 1")
        ledger.end(failed=False)
        ledger.begin()
        connection.execute("DELETE FROM pets WHERE id = 10")
        """,
    )
    assert brief(found) == [("DELETE FROM pets WHERE id = 10", 1, 1)]


def test_short_statements_of_ever_new_text_leave_the_steps_unknown(database: Path) -> None:
    loop = """
        for number in range(2000):
            cursor.execute("UPDATE pets SET name = {} WHERE id = 10".format(number))
    """
    assert told(database, loop).reasons().keys() == {"vm_steps"}
    assert (
        told(database, loop + "\n        cursor.execute('SELECT count(*) FROM pets, pets').fetchall()").reasons() == {}
    )


def test_a_program_that_dies_in_a_step_tells_nothing_of_it(database: Path) -> None:
    assert observe(database, "cursor.execute('DELETE FROM pets'); os._exit(9)") is None


def test_a_step_that_fails_before_any_statement_has_done_nothing(database: Path) -> None:
    found = told(database, "raise ValueError('not ready')")
    assert brief(found) == []
    assert {name: value for name, value in found.counters.items() if value} == {}
    assert found.reasons() == {}


def test_a_step_that_ends_well_without_a_statement_was_not_seen(database: Path) -> None:
    assert observe(database, "pass") is None


CREATE = "CREATE TABLE pets (id INTEGER PRIMARY KEY)"
MANY = "INSERT INTO pets (id) VALUES (1), (2), (3)"
DELETE = "DELETE FROM pets WHERE id > 1"


def alembic(checkout: Path) -> tuple[Tool, Provision]:
    made = AlembicProject(checkout).revision("one", None, CREATE, MANY).revision("two", "one", DELETE)
    return Alembic(), made.provision()


def yoyo(checkout: Path) -> tuple[Tool, Provision]:
    made = YoyoProject(checkout).migration("one.sql", f"{CREATE};\n{MANY};\n")
    return Yoyo(), made.migration("two.sql", f"-- depends: one\n\n{DELETE};\n").provision()


def django(checkout: Path) -> tuple[Tool, Provision]:
    made = DjangoProject(checkout, "shop").migration("shop.one", (), f"migrations.RunSQL([{CREATE!r}, {MANY!r}])")
    return Django(), made.migration("shop.two", ["shop.one"], f"migrations.RunSQL({DELETE!r})").provision()


TOOLS = {"alembic": alembic, "django": django, "yoyo": yoyo}


@define
class Reader:
    """Reads the counters and statements of a server around each step, as a leg does."""

    server: SQLiteServer
    database: str = "data"
    mark: object = None
    before: dict[str, int | None] = field(factory=dict)
    counted: dict[str, dict[str, int | None]] = field(factory=dict)
    statements: dict[str, tuple[Statement, ...]] = field(factory=dict)

    def starts(self, _step: Step) -> None:
        address = self.server.address(self.database, "", "")
        self.mark, self.before = self.server.mark(address), self.server.counters(address)

    def ends(self, step: Step) -> None:
        address = self.server.address(self.database, "", "")
        self.counted[step.version] = difference(self.before, self.server.counters(address))
        self.statements[step.version] = self.server.statements(address, self.mark)


def walk(directory: Path, server: SQLiteServer, driver: Tool, provision: Provision, guide: Told) -> None:
    """Take a project's steps on an empty database."""
    address, checkout = server.create("data", "", ""), provision.checkout.path
    with make_build(directory / "build") as build:
        words = Placeholders.of(
            address, dataset="small", checkout=checkout, workspace=build.workspace.root, config=directory
        )
        variables = {name: words.fill(text, name) for name, text in VARIABLES.items()}
        project = Project(provision, address, server, checkout, variables, words, "small")
        driver.walk(build, driver.options()(), project, guide)


@pytest.mark.parametrize("tool", TOOLS)
def test_steps_of_a_tool_have_rows_and_statements(tmp_path: Path, tool: str) -> None:
    server = SQLiteServer(tmp_path)
    reader = Reader(server)
    walk(tmp_path, server, *TOOLS[tool](tmp_path / "checkout"), Told(started=reader.starts, ended=reader.ends))
    first, second = reader.counted
    texts = [[each.text.strip("\n;") for each in statements] for statements in reader.statements.values()]
    assert texts[0].index(CREATE) < texts[0].index(MANY)
    assert DELETE in texts[1]
    assert MANY not in texts[1]
    # Each tool writes down that the step is done, in one row or two.
    assert reader.counted[first]["rows_changed"] in {4, 5}
    assert reader.counted[second]["rows_changed"] in {3, 4}
    assert all(each.began_s >= 0 for each in reader.statements[first])


NUMBERS = "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number LIMIT 100000)"
EVERY_CATEGORY = (
    f"INSERT INTO pets {NUMBERS} SELECT n, 'somebody called ' || n FROM number",
    "UPDATE pets SET name = 'nobody' WHERE id % 2",
    "DELETE FROM pets WHERE id > 90000",
    "CREATE TABLE copied (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
    "INSERT INTO copied SELECT id, name FROM pets",
    "DROP TABLE pets",
    "ALTER TABLE copied RENAME TO pets",
    "CREATE INDEX by_name ON pets (name)",
)
"""Rows and pages of every kind, and a table that is copied, which takes many times as long as from one look at locks to
the next."""


def test_a_migration_that_moves_every_category_is_told_in_every_one_of_them(tmp_path: Path) -> None:
    server = SQLiteServer(tmp_path)
    address = server.address("data", "", "")
    create = ("CREATE TABLE pets (id INTEGER PRIMARY KEY, name TEXT)", "CREATE INDEX i ON pets (name)")
    project = AlembicProject(tmp_path / "checkout").revision("one", None, *create)
    watches: list[Watch] = []
    told: list[Measurement] = []

    def starts(_step: Step) -> None:
        watches.append(Watch.start("sqlite", server, address, lambda: server.counters(address), closely=True))

    guide = Told(started=starts, ended=lambda _step: told.append(watches[-1].stop()))
    walk(tmp_path, server, Alembic(), project.revision("two", "one", *EVERY_CATEGORY).provision(), guide)
    assert guide.told[-1] == "after two"
    assert list(silent("sqlite", told[-1])) == []
    counted_together = {"rows_inserted", "rows_updated", "rows_deleted"}
    assert unknown("sqlite", told[-1]) == {
        *counted_together,
        "rows_read",
        "wal_bytes",
        "temporary_bytes",
        "rows_locked",
    }
