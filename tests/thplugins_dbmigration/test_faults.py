"""Whose fault it is that a step failed, by the words of servers, clients and drivers."""

from __future__ import annotations

import pytest

from thcore.errors import InfrastructureError
from thplugins_dbmigration.distress import Distress
from thplugins_dbmigration.faults import NOTHING, Evidence, Fault, machine_fault, unsupported, words

FULL = Distress.FULL


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
        ("ERROR 1041 (HY000) at line 1: Out of memory.", Distress.MEMORY),
        ("OSError: [Errno 28] No space left on device", FULL),
        ("OSError: [Errno 122] Disk quota exceeded", Distress.QUOTA),
        ('ERROR:  could not read block 3 in file "base/5/1": Input/output error', Distress.BROKEN),
        ("OSError: [Errno 24] Too many open files", Distress.FILES),
    ],
)
def test_a_fault_of_the_machine_is_known_in_whatever_words_it_comes(said: str, reason: Distress) -> None:
    lines = ["the migration failed", said]
    assert words(lines) is reason
    told = Evidence(told={reason: "ERROR: no more"})
    assert machine_fault(lines, told) == Fault(reason.value, ("The server's own log: ERROR: no more",))
    assert machine_fault(lines, NOTHING) is None
    (line,) = unsupported(lines)
    assert reason.value in line


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
    lines = ["the migration failed", *said.splitlines()]
    assert words(lines) is None
    assert unsupported(lines) == ()
    assert machine_fault(lines, Evidence(seen={FULL: "0 B were free"})) is None, "a disk may be full for days"


def test_room_that_is_used_up_bears_out_words_of_a_full_disk_and_of_no_other_trouble() -> None:
    full = Evidence(seen={FULL: "0 B of 64.0 MiB were free in /data"})
    assert machine_fault(["OSError: [Errno 28] No space left on device"], full) == Fault(
        "the disk is full", ("0 B of 64.0 MiB were free in /data",)
    )
    assert machine_fault(["OSError: [Errno 122] Disk quota exceeded"], full) is not None
    assert machine_fault(["OSError: [Errno 24] Too many open files"], full) is None


def test_a_server_that_says_itself_what_it_lacks_needs_no_words_of_the_migration() -> None:
    told = Evidence(told={Distress.QUOTA: "Errcode: 122"})
    gone = "OperationalError: (2013, 'Lost connection to server during query')"
    assert machine_fault([gone], told) == Fault("the disk quota is used up", ("The server's own log: Errcode: 122",))
    for own in (Distress.MEMORY, Distress.FILES):
        assert machine_fault([gone], Evidence(told={own: "no more"})) is None, "the step may have used them up"


def test_that_the_program_was_killed_is_believed_of_the_gate_and_of_nobody_else() -> None:
    killed = "the migration program ended in the middle: killed by SIGKILL"
    for more in ("", " (the system may have run out of memory)", ", which thcore did not send; no process of it"):
        assert machine_fault([killed + more, "Applying b"], NOTHING) == Fault("the program that ran it was killed")
    assert machine_fault(["RuntimeError: no", killed], NOTHING) is None
    assert machine_fault([f"{killed} (exit status 1)"], NOTHING) is None


def test_what_broke_while_the_disk_was_full_names_it() -> None:
    error = InfrastructureError("sqlite: cannot read\nmore", code="server-not-answering")
    full = Evidence(seen={FULL: "0 B were free"})
    told = full.beside(error)
    assert (str(told), told.code) == ("sqlite: cannot read; the disk is full\n0 B were free\nmore", error.code)
    assert NOTHING.beside(error) is error
