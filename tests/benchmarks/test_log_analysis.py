"""What looking through a log costs, beside turbo-hipster's way: three expressions on every line, all of which begin
with ``.*``.

THCORE_BENCH_LOG_MB is the size of the log (40). Both find the same lines in it. An expression that begins with ``.*``
is tried from every character of a line on, so that its time grows with the square of the line's length. Everything here
is done by one thread: times are of the processor, whoever else is at the machine.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from benchmarks.turbo_hipster import EXPRESSIONS, find_lines
from thcore.builtin import log_patterns
from thcore.builtin.log_patterns import FINDINGS_LIMIT, LogPatternsOptions, Pattern
from thcore.testing import make_build

MEGABYTES = int(os.environ.get("THCORE_BENCH_LOG_MB", "40"))
TIMES = 75
SLACK = 4
"""How many times as long a log may take when only its lines are longer."""
LENGTHS = (1_000, 10_000, 100_000, 1_000_000)
LONGEST_FOR_THEIRS = 10_000
"""A line of 100,000 bytes would take them a minute."""
LONG_LINES_MB = 10
ROUNDS = 5

AS_THEY_ARE = tuple(Pattern(expression) for expression in EXPRESSIONS)
LITERALS = ("[-] ", "[-] done", "Innodb_")
WITH_LITERALS = tuple(
    Pattern(expression, literal=literal) for expression, literal in zip(EXPRESSIONS, LITERALS, strict=True)
)
STATEMENT = (
    b"UPDATE instances SET host = 'h-0012', launched_at = '2013-11-20 04:12:16' WHERE id = 100 AND deleted = 0; "
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def made_log(path: Path) -> int:
    """A log of lines as a migration tool and its database write them; answers how many of them an expression is for."""
    hits = 0
    with path.open("wb") as stream:
        for number in range(MEGABYTES * 1_000_000 // 108):
            if number % 2000 == 0:
                version = number // 2000
                stream.write(
                    b"2013-11-20 04:12:16,123 INFO migrate.versioning.api [-] %d -> %d...\n" % (version, version + 1)
                )
                stream.write(b"2013-11-20 04:12:17,321 INFO migrate.versioning.api [-] done\n")
                stream.write(
                    b"2013-11-20 04:12:17,322 INFO stats Innodb_rows_read was %d is %d\n" % (number, number + 7)
                )
                hits += 3
            stream.write(b"%08d %s\n" % (number, STATEMENT[: 98 - number % 20]))
    return hits


def ours(directory: Path, path: Path, patterns: tuple[Pattern, ...]) -> tuple[int, float]:
    """How many lines are found, and in how many seconds of the processor; the median of some rounds."""
    rounds = []
    for number in range(ROUNDS):
        with make_build(directory / str(number)) as build:
            (build.workspace.artifacts / "tool.log").hardlink_to(path)
            began = time.process_time()
            findings = log_patterns.plugin.thcore_analyse(build, LogPatternsOptions(patterns, ("tool.log",)))
            rounds.append((time.process_time() - began, sum(_lines(finding.message) for finding in findings)))
    took, found = sorted(rounds)[ROUNDS // 2]
    return found, took


def _lines(message: str) -> int:
    """How many lines a finding is about."""
    rest = re.fullmatch(r"(\d+) more lines match .*", message)
    return int(rest[1]) if rest else 1


def test_a_log_is_looked_through_many_times_faster(tmp_path: Path) -> None:
    path = tmp_path / "tool.log"
    hits = made_log(path)
    assert hits > 3 * FINDINGS_LIMIT
    megabytes = path.stat().st_size / 1e6
    began = time.process_time()
    assert find_lines(path) == hits
    base = time.process_time() - began
    print(f"\n{megabytes:.0f} MB, {hits} lines to find\n{'way':28} {'CPU s':>8} {'MB/s':>6} {'ratio':>7}")
    print(f"{'turbo-hipster':28} {base:8.3f} {megabytes / base:6.1f} {1:6}x")
    for name, patterns in {"the same expressions": AS_THEY_ARE, "with a literal each": WITH_LITERALS}.items():
        found, took = ours(tmp_path / name.split()[0], path, patterns)
        print(f"{name:28} {took:8.3f} {megabytes / took:6.0f} {base / took:6.1f}x")
        assert found == hits
        assert base / took >= TIMES


def test_the_time_follows_the_size_of_a_log_and_not_the_length_of_its_lines(tmp_path: Path) -> None:
    print(f"\n{'bytes of a line':>16} {'turbo-hipster, ms for 10 kB':>28} {f'ms for {LONG_LINES_MB} MB':>12}")
    times = []
    for length in LENGTHS:
        line = (STATEMENT * (length // len(STATEMENT) + 1))[: length - 1] + b"\n"
        path = tmp_path / str(length)
        path.write_bytes(line * (LONG_LINES_MB * 1_000_000 // length))
        _, took = ours(tmp_path / f"builds-{length}", path, AS_THEY_ARE)
        times.append(took)
        told = "-"
        if length <= LONGEST_FOR_THEIRS:
            (tmp_path / "few").write_bytes(line * (10_000 // length))
            began = time.process_time()
            assert find_lines(tmp_path / "few") == 0
            told = f"{(time.process_time() - began) * 1000:.1f}"
        print(f"{length:16} {told:>28} {took * 1000:12.1f}")
    assert max(times) <= SLACK * times[0]
