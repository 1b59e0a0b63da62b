"""What servers tell in their own logs of the machine that fails them."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from thplugins_dbmigration.distress import Distress
from thplugins_dbmigration.engines import mysql_log, postgresql_complaints
from thplugins_dbmigration.engines.error_log import ErrorLog

HEAD = "2026-11-27 03:15:31.000 UTC [674a.1 {} 0 client backend] "


def mysql(path: Path, text: str) -> dict[Distress, str]:
    path.write_text(text, "utf-8")
    return dict(ErrorLog(path, mysql_log.complaints).since(0))


def postgresql(path: Path, state: str, text: str, *parts: str) -> dict[Distress, str]:
    head = HEAD.format(state)
    path.write_text("".join(f"{head}{line}\n" for line in (text, *parts)), "utf-8")
    return dict(ErrorLog(path, postgresql_complaints.complaints).since(0))


@pytest.mark.parametrize(
    ("line", "distress"),
    [
        (
            "6 [ERROR] InnoDB: preallocating 205520896 bytes for file ./shop/item.ibd failed with error 28",
            Distress.FULL,
        ),
        ("6 [ERROR] InnoDB: Error number 28 means 'No space left on device'", Distress.FULL),
        ("[ERROR] [MY-012639] [InnoDB] Write to file ./a failed. Operating system error number 28.", Distress.FULL),
        (
            "[Warning] mariadbd: Disk is full writing '/tmp/#sql' (Errcode: 28 \"No space left on device\"). Waiting",
            Distress.FULL,
        ),
        ("[ERROR] mariadbd: Error writing file './x' (Errcode: 122 \"Disk quota exceeded\")", Distress.QUOTA),
        ("[ERROR] InnoDB: Operating system error number 5 in a file operation.", Distress.BROKEN),
        ("[ERROR] mariadbd: Can't open file: './shop/item.frm' (errno: 24 \"Too many open files\")", Distress.FILES),
        ("[ERROR] mariadbd: Out of memory (Needed 128 bytes)", Distress.MEMORY),
    ],
)
def test_mariadb_says_what_the_system_refuses_it(tmp_path: Path, line: str, distress: Distress) -> None:
    found = mysql(tmp_path / "log", f"2026-11-27  3:15:31 0 [Note] ready\n2026-11-27  3:15:31 {line}\n")
    assert list(found) == [distress]
    assert line in found[distress]


@pytest.mark.parametrize(
    "line",
    [
        "[ERROR] mariadbd: The table 'errno: 28' is full",  # one that is kept in memory
        "[ERROR] mariadbd: The table `out of memory` is full",
        "[Warning] Aborted connection 28 to db: 'shop' user: 'Errcode: 28' host: 'localhost'",
        "[ERROR] Incorrect definition of table shop.item: expected column 'Operating system error number 28'",
    ],
)
def test_names_and_tables_that_are_full_tell_nothing_of_the_disk(tmp_path: Path, line: str) -> None:
    assert mysql(tmp_path / "log", f"{line}\n") == {}


@pytest.mark.parametrize(
    ("state", "text", "distress"),
    [
        ("53100", 'ERROR:  could not extend file "base/5/1": No space left on device', Distress.FULL),
        ("53100", 'PANIC:  could not write to file "pg_wal/xlogtemp.1": No space left on device', Distress.FULL),
        ("58030", 'ERROR:  could not read block 3 in file "base/5/1": Input/output error', Distress.BROKEN),
        ("53000", "FATAL:  out of file descriptors: Too many open files in system; release and retry", Distress.FILES),
        ("XX000", 'ERROR:  could not extend file "base/5/1": Disk quota exceeded', Distress.QUOTA),
    ],
)
def test_postgresql_says_what_the_system_refuses_it(tmp_path: Path, state: str, text: str, distress: Distress) -> None:
    found = postgresql(tmp_path / "log", state, text, "STATEMENT:  create table b as select * from a")
    severity, said = text.split(":  ", 1)
    assert found == {distress: f"{severity} {state}: {said}"}
    called = 'CONTEXT:  SQL statement "insert into a"\n\tPL/pgSQL function grow() line 3 at SQL statement'
    assert list(postgresql(tmp_path / "log", state, text, called)) == [distress]


@pytest.mark.parametrize(
    ("state", "text", "context"),
    [
        ("53100", "ERROR:  no", "PL/pgSQL function inline_code_block line 1 at RAISE"),
        ("53100", "ERROR:  no", 'PL/pgSQL function grow(integer) line 1 at RAISE\n\tSQL statement "select grow(1)"'),
        ("53100", "ERROR:  no", 'PL/pgSQL function "a\n\tb"() line 1 at RAISE'),
        ("XX000", "ERROR:  Disk quota exceeded", "PL/pgSQL function inline_code_block line 1 at RAISE"),
        ("53200", "ERROR:  out of shared memory", ""),
        ("P0001", "ERROR:  could not extend file: No space left on device", ""),
        ("42P01", 'ERROR:  relation " 53100 " does not exist', ""),
    ],
)
def test_what_a_function_raises_with_whatever_code_is_nothing_that_the_server_says(
    tmp_path: Path, state: str, text: str, context: str
) -> None:
    assert postgresql(tmp_path / "log", state, text, *([f"CONTEXT:  {context}"] if context else [])) == {}


def test_what_was_said_before_the_step_is_not_told(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = ErrorLog(path, mysql_log.complaints)
    assert (log.end(), log.since(0)) == (0, {})
    path.write_text("[ERROR] x failed with error 28\n", "utf-8")
    before = log.end()
    assert log.since(before) == {}
    with path.open("a", encoding="utf-8") as stream:
        stream.write("[ERROR] y failed with error 122\n")
    assert list(log.since(before)) == [Distress.QUOTA]


def test_a_long_statement_in_the_log_is_not_read_at_once(tmp_path: Path) -> None:
    long = f"STATEMENT:  insert into a values ('{'x' * 20_000_000}')"
    (tmp_path / "log").write_text("".join(f"{HEAD.format('53100')}{line}\n" for line in (long, "ERROR:  no")), "utf-8")
    tracemalloc.start()
    try:
        assert list(ErrorLog(tmp_path / "log", postgresql_complaints.complaints).since(0)) == [Distress.FULL]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 5_000_000
