"""What being observed costs a program that changes rows of SQLite one by one, beside the same program alone."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from thplugins_dbmigration.engines.sqlite_observed import LARGEST, SUFFIX

from parts.observed_sqlite import observe

ROWS = 1_000_000
ROUNDS = 3
MOST = 1.10
"""Times the processor's time. Each statement costs the same; these are as short as statements get."""
LOOPS = {
    "bound": """
        for number in range(ROWS):
            name, = cursor.execute("SELECT name FROM pets WHERE id = ?", (number,)).fetchone()
            cursor.execute("UPDATE pets SET name = ? WHERE id = ?", (name.title(), number))
    """,
    "in the text": """
        for number in range(ROWS):
            cursor.execute("UPDATE pets SET name = 'Pet {}' WHERE id = {}".format(number, number))
    """,
    "in bulk": """
        cursor.executemany("UPDATE pets SET name = 'Pet' WHERE id = ?", ((number,) for number in range(ROWS)))
    """,
}
TIMED = """\
import time
ROWS = {rows}
began = time.process_time()
{loop}
connection.commit()
with open(sys.argv[1] + "-time", "w") as stream:
    stream.write(str(time.process_time() - began))
"""
ALONE = """\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
cursor = connection.cursor()
"""


@pytest.mark.parametrize("loop", LOOPS)
def test_a_million_statements_are_observed_in_little_time(tmp_path: Path, loop: str) -> None:
    step = TIMED.format(rows=ROWS, loop=textwrap.dedent(LOOPS[loop]))
    alone, watched = [], []
    for _ in range(ROUNDS):
        database = pets(tmp_path)
        subprocess.run([sys.executable, "-c", ALONE + step, str(database)], check=True)
        alone.append(taken(database))
        database = pets(tmp_path)
        found = observe(database, step)
        watched.append(taken(database))
        assert found is not None
        assert found.counters["rows_changed"] == ROWS
        assert Path(f"{database}{SUFFIX}").stat().st_size < LARGEST / 100
    ratio = min(watched) / min(alone)
    print(f"\nSQLite, {loop}: {min(alone):.2f} s alone, {ratio:.2f} times as long observed")
    assert ratio < MOST


def pets(place: Path) -> Path:
    path = place / "data.sqlite"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE pets (id INTEGER PRIMARY KEY, name TEXT)")
        connection.executemany("INSERT INTO pets VALUES (?, 'a pet')", ((number,) for number in range(ROWS)))
    return path


def taken(database: Path) -> float:
    return float(database.with_name(database.name + "-time").read_text())
