"""Migrates an SQLite file with numbered SQL files: ``python migrate.py FILE VERSION``."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

file, wanted = sys.argv[1], int(sys.argv[2])
connection = sqlite3.connect(file)
(now,) = connection.execute("SELECT version FROM schema_version").fetchone()
for path in sorted(Path(__file__).parent.glob("migrations/*.sql")):
    number = int(path.name.split("_")[0])
    if now < number <= wanted:
        print("running", path.name)
        connection.executescript(path.read_text("utf-8"))
        connection.execute("UPDATE schema_version SET version = ?", (number,))
        connection.commit()
