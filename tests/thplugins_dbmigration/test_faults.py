"""Whose fault it is that a step failed, by the words of servers, clients and drivers."""

from __future__ import annotations

import pytest

from thplugins_dbmigration.faults import machine_fault

FULL = "the disk is full"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("ERROR 1114 (HY000) at line 3: The table 'users' is full", FULL),
        ("(pymysql.err.OperationalError) (1114, \"The table 'users' is full\")", FULL),
        ("pymysql.err.OperationalError: (1114, \"The table 'users' is full\")", FULL),
        ("MySQLdb.OperationalError: (1021, 'Disk full (/tmp/#sql); waiting for someone to free some space...')", FULL),
        ("mysql.connector.errors.OperationalError: 1114 (HY000): The table 'users' is full", FULL),
        ("OperationalError: (1114) The table 'users' is full", FULL),
        ("ERROR 3 (HY000) at line 1: Error writing file '/tmp/MY' (Errcode: 28 \"No space left on device\")", FULL),
        ('psycopg.errors.DiskFull: could not extend file "base/5/1": No space left on device', FULL),
        ('psql:x.sql:3: ERROR:  could not write to file "pg_wal/xlogtemp.1": No space left on device', FULL),
        (
            'psql:x.sql:3: ERROR:  53100: could not extend file "base/5/1": wrote only 4096 of 8192 bytes at block 1',
            FULL,
        ),
        ('(psycopg2.errors.DiskFull) could not extend file "base/5/1": wrote only 4096 of 8192 bytes', FULL),
        ("sqlite3.OperationalError: database or disk is full", FULL),
        ("ERROR 1041 (HY000) at line 1: Out of memory.", "the server has no memory left"),
        ("OSError: [Errno 28] No space left on device", FULL),
        ("OSError: [Errno 122] Disk quota exceeded", "the disk quota is used up"),
        ('ERROR:  could not read block 3 in file "base/5/1": Input/output error', "the disk has errors"),
        ("OSError: [Errno 24] Too many open files", "too many files are open"),
    ],
)
def test_a_fault_of_the_machine_is_known_in_whatever_words_it_comes(said: str, reason: str) -> None:
    assert machine_fault(["the migration failed", said]) == reason


@pytest.mark.parametrize(
    "said",
    [
        "(pymysql.err.IntegrityError) (1062, \"Duplicate entry 'No space left on device' for key 'one_mail'\")",
        "ERROR 1062 (23000) at line 1: Duplicate entry 'ERROR 1114 (HY000)' for key 'one_mail'",
        "ERROR 1062 (23000) at line 1: Duplicate entry '(1114, ' for key 'one_mail'",
        "DETAIL:  Key (mail)=(Input/output error) is duplicated.",
        "DETAIL:  Failing row contains (1, Disk quota exceeded).",
        'invalid input syntax for type integer: "Too many open files"',
        "[SQL: CREATE TABLE users (note VARCHAR(1021))]",
        "[SQL: UPDATE users SET note = 'disk full'\nWHERE id = 1]",
        "[parameters: {'note': 'No space left on device'}]",
        '  File "migrations/b.py", line 9, in upgrade\n    op.execute("-- No space left on device")',
        'sqlite3.OperationalError: near "(1114)": syntax error',
        "(1062) Duplicate entry 'errno: 28' for key 'one_mail'",
        "(pymysql.err.IntegrityError) (1062, \"Duplicate entry 'a' for key 'b'; Disk quota exceeded' for key 'c'\")",
        "ERROR 1644 (45000) at line 1: No space left on device",
        "psycopg.errors.RaiseException: No space left on device",
        "RuntimeError: Input/output error",
        "ERROR 1054 (42S22) at line 1: Unknown column 'disk full' in 'field list'",
        "sqlite3.OperationalError: no such table: disk full",
        "sqlite3.IntegrityError: CHECK constraint failed: disk full",
        "ERROR 1170 (42000) at line 1114: BLOB/TEXT column 'note' used in key specification without a key length",
    ],
)
def test_what_rows_statements_and_sources_say_is_no_fault_of_the_machine(said: str) -> None:
    assert machine_fault(["the migration failed", *said.splitlines()]) is None
