"""What MySQL's own server, which not every machine has, says of where tables are, in the words in which it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from thcore.testing import make_build
from thplugins_dbmigration.engines.engine import Installation
from thplugins_dbmigration.engines.mysql import MySQL
from thplugins_dbmigration.engines.mysql_innodb import Stored, stored


class Answering:
    """A cursor on a server that says this to every question."""

    def __init__(self, *rows: tuple[Any, ...]) -> None:
        self.rows = rows

    def execute(self, question: str, values: object = ()) -> None:
        pass

    def fetchall(self) -> tuple[tuple[Any, ...], ...]:
        return self.rows


def test_mysql_calls_tablespaces_what_their_tables_are_called_however_odd() -> None:
    said = Answering(
        ("mysql", 1025, 4294967294, None),
        ("my-app/größe-1 #x", 1064, 2, 131072),
        ("my-app/fts_0000000000000428_config", 1067, 5, 114688),
        ("my-app/Ωл中#p#ä-1", 1076, 14, 114688),
        ("my-app/Ωл中#P#b", 1077, 15, 98304),
        ("my-app/odd#p#name", 1079, 17, 98304),
        ("my@002dapp/encoded", 1080, 0, None),
        ("other/größe-1 #x", 1078, 16, 114688),
    )
    assert stored(said, "my-app", {"größe-1 #x", "Ωл中", "odd#p#name", "memory"}, mariadb=False) == {
        "größe-1 #x": [Stored(1064, 2, 131072)],
        "Ωл中": [Stored(1076, 14, 114688), Stored(1077, 15, 98304)],
        "odd#p#name": [Stored(1079, 17, 98304)],
    }


def test_the_size_of_a_tablespace_that_tables_share_is_the_size_of_none() -> None:
    said = Answering(("app/alone", 1064, 2, 131072), ("app/together", 1065, 0, 12582912), ("app/shared", 1066, 7, None))
    found = stored(said, "app", {"alone", "together", "shared"}, mariadb=False)
    assert {name: [part.bytes for part in parts] for name, parts in found.items()} == {
        "alone": [131072],
        "together": [None],
        "shared": [None],
    }


def test_files_that_mysql_keeps_for_a_longer_log_are_not_frozen(tmp_path: Path) -> None:
    log = tmp_path / "data" / "#innodb_redo"
    log.mkdir(parents=True)
    for name in ("#ib_redo5", "#ib_redo6_tmp", "#ib_redo7_tmp"):
        (log / name).touch()
    with make_build(tmp_path) as build:
        MySQL().freeze(build, Installation("mysql", "9.7.4"), tmp_path / "data")
    assert [path.name for path in log.iterdir()] == ["#ib_redo5"]
