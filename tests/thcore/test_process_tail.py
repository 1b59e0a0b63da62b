from __future__ import annotations

import os
from pathlib import Path

from thcore.process.tail import last_lines


def test_the_last_lines_of_a_log_are_told(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_text("".join(f"line {number}\n" for number in range(100_000)))
    assert last_lines(log, 3) == ("line 99997", "line 99998", "line 99999")
    assert len(last_lines(log)) == 10


def test_what_is_no_text_is_replaced_and_what_is_long_is_cut(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_bytes(b"a\xffb\r\n" + b"x" * 1_000_000 + b"\nlast, without a newline")
    assert last_lines(log) == ("x" * 2000, "last, without a newline"), "no more than the end is looked at"
    log.write_bytes(b"a\xffb\r\n")
    assert last_lines(log) == ("a\N{REPLACEMENT CHARACTER}b",)


def test_only_what_comes_after_an_offset_is_told(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    log.write_text("before\nafter\n")
    assert last_lines(log, after=len("before\n")) == ("after",)


def test_there_are_none_where_there_is_no_plain_file(tmp_path: Path) -> None:
    """A build can put anything in the place of its log; nothing of it is followed, and nothing waits."""
    secret = tmp_path / "elsewhere"
    secret.mkdir()
    (secret / "console.log").write_text("root:x:0:0\n")
    inside = tmp_path / "artifacts"
    inside.mkdir()
    log = inside / "console.log"
    assert last_lines(log) == ()
    log.write_text("")
    assert last_lines(log) == ()
    log.unlink()
    log.symlink_to(secret / "console.log")
    assert last_lines(log) == ()
    log.unlink()
    os.mkfifo(log)
    assert last_lines(log) == ()
    log.unlink()
    log.mkdir()
    assert last_lines(log) == ()
    log.rmdir()
    inside.rmdir()
    inside.symlink_to(secret)
    assert last_lines(log) == ()
