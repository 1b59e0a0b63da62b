"""What is read out of the log of a PostgreSQL server, line by line."""

from __future__ import annotations

import io

import pytest

from thplugins_dbmigration.engines.postgresql_log import LONGEST, Record, records
from thplugins_dbmigration.engines.postgresql_runs import Run, runs

EPOCH = 1_700_000_000.0
"""2023-11-14 22:13:20 UTC."""


def line(words: str, *, session: str = "a.1", state: str = "00000", ms: int = 0, query: int = 0) -> str:
    return f"2023-11-14 22:13:20.{ms:03} UTC [{session} {state} {query} client backend] {words}\n"


def read(*lines: str) -> list[Record]:
    return list(records(io.BytesIO("".join(lines).encode())))


def told(*lines: str) -> list[Run]:
    return list(runs(read(*lines), EPOCH + 10))


def test_a_message_has_its_parts_and_all_lines_of_its_text() -> None:
    (record, other) = read(
        line("ERROR:  it is\n\t\tso", state="23505"),
        line("DETAIL:  Key\n\t", state="23505"),
        line("STATEMENT:  A\n\tLOG:  B", state="23505"),
        "a library says something\n",
    )
    assert (record.severity, record.state, record.time) == ("ERROR", "23505", EPOCH)
    assert record.text == "it is\n\tso"
    assert record.parts == {"DETAIL": "Key\n", "STATEMENT": "A\nLOG:  B"}
    assert (other.severity, other.raw) == ("", [b"a library says something\n"])


@pytest.mark.parametrize("shape", ["x" * 50_000, "x\n\t" * 50_000, "short\n\t" + "x" * 50_000])
def test_no_more_is_kept_of_a_text_than_there_is_room_for(shape: str) -> None:
    record, after = read(line(f"LOG:  statement: {shape}"), line("LOG:  duration: 1.000 ms"))
    assert LONGEST < len(record.text) < LONGEST + 2_000
    assert sum(map(len, record.raw)) < 2 * LONGEST + 2_000 + len(record.raw)
    assert after.text == "duration: 1.000 ms"
    (run,) = told(line(f"LOG:  statement: {shape}"), line("LOG:  duration: 1.000 ms"))
    assert (len(run.text), run.cut) == (LONGEST, True)


def test_rows_that_are_taken_from_an_open_portal_are_no_further_call() -> None:
    one, two, three = told(
        line("LOG:  duration: 2.000 ms  parse s1: SELECT 1", ms=2),
        line("LOG:  duration: 3.000 ms  bind s1/c1: SELECT 1", ms=5),
        line("LOG:  execute s1/c1: SELECT 1", ms=6),
        line("LOG:  duration: 4.000 ms", query=7, ms=10),
        *(line("LOG:  execute fetch from s1/c1: SELECT 1"), line("LOG:  duration: 5.000 ms", query=7)) * 2,
    )
    assert (one.calls, one.query, one.began) == (1, 7, EPOCH)
    assert one.wall_s == pytest.approx(0.009)
    assert [each.calls for each in (two, three)] == [0, 0]


def test_sessions_that_run_side_by_side_are_told_apart() -> None:
    one, two, three = told(
        line("LOG:  statement: A", session="a.1"),
        line("LOG:  statement: B", session="b.2"),
        line("LOG:  duration: 1.000 ms", session="b.2"),
        line('LOG:  temporary file: path "base/pgsql_tmp/x", size 11', session="a.1"),
        line("STATEMENT:  A", session="a.1"),
        line("LOG:  process 5 acquired ShareLock on relation 1 of database 2 after 12.500 ms", session="a.1"),
        line("STATEMENT:  A", session="a.1"),
        line("ERROR:  no", session="a.1", state="XX000", ms=500),
        line("STATEMENT:  A", session="a.1", state="XX000", ms=500),
        line("LOG:  statement: C", session="b.2"),
    )
    assert (one.text, one.error, one.ended) == ("B", "", True)
    assert (two.text, two.error, two.temp_bytes, two.lock_wait_ms) == ("A", "XX000: no", 11, 12.5)
    assert two.wall_s == pytest.approx(0.5)
    assert (three.text, three.ended, three.wall_s) == ("C", False, 10)


def test_what_began_before_the_log_is_read_and_what_ends_a_session_that_does_nothing_are_no_statements() -> None:
    assert told(line("LOG:  duration: 1.000 ms"), line("FATAL:  bye", state="57P01")) == []


def test_a_function_that_raises_what_the_server_says_adds_nothing() -> None:
    (run,) = told(
        line("LOG:  statement: SELECT f()"),
        line('LOG:  temporary file: path "x", size 99'),
        line("CONTEXT:  PL/pgSQL function f() line 1 at RAISE"),
        line("STATEMENT:  SELECT f()"),
        line("LOG:  duration: 5000.000 ms"),
        line("CONTEXT:  PL/pgSQL function f() line 1 at RAISE"),
        line("LOG:  duration: 1.000 ms"),
    )
    assert (run.temp_bytes, run.ended) == (0, True)
    assert run.wall_s == pytest.approx(0.001)


def test_a_statement_whose_beginning_is_not_noted_began_before_its_end_by_its_time() -> None:
    one, two = told(
        line("LOG:  duration: 40.000 ms  statement: A", query=7, ms=50),
        line("LOG:  duration: 2.000 ms  parse s1: B", ms=100),
        line("LOG:  duration: 30.000 ms  execute s1: B", query=8, ms=140),
    )
    assert (one.text, one.query, one.calls, one.ended) == ("A", 7, 1, True)
    assert (one.began, one.wall_s) == (pytest.approx(EPOCH + 0.01), 0.04)
    assert (two.text, two.began, two.wall_s) == ("B", pytest.approx(EPOCH + 0.098), pytest.approx(0.032))


def test_a_statement_began_no_earlier_than_the_one_before_it_ended_however_the_times_are_rounded() -> None:
    failed, slept = told(
        line("ERROR:  division by zero", state="22012", ms=20),
        line("STATEMENT:  SELECT 1 / 0", state="22012", ms=20),
        line("LOG:  duration: 50.900 ms  statement: SELECT pg_sleep(0.05)", ms=70),
    )
    assert (failed.text, slept.text) == ("SELECT 1 / 0", "SELECT pg_sleep(0.05)")
    assert slept.began == failed.began


def test_what_has_only_a_beginning_has_ended_when_its_session_goes_on_or_rests() -> None:
    lines = read(
        line("LOG:  statement: A", ms=1),
        line("LOG:  statement: B", ms=2),
        line("ERROR:  no", state="XX000", ms=3),
        line("STATEMENT:  C", state="XX000", ms=3),
        line("LOG:  statement: D", ms=4),
        line("ERROR:  no", state="XX000", ms=5),
        line("STATEMENT:  D", state="XX000", ms=5),
        line("LOG:  statement: E", ms=6),
        line("LOG:  statement: F", session="b.2", ms=6),
    )
    found = list(runs(lines, EPOCH + 10, EPOCH, {"b.2"}))
    assert [(each.text, each.ended, each.timed, each.error) for each in found] == [
        ("A", True, False, ""),
        ("B", True, False, ""),
        ("C", True, False, "XX000: no"),
        ("D", True, True, "XX000: no"),
        ("E", True, False, ""),
        ("F", False, True, ""),
    ]
