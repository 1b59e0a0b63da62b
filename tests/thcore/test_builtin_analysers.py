from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest

from thcore.builtin import exit_status, log_patterns
from thcore.builtin.log_patterns import LogPatternsOptions, Pattern
from thcore.errors import CancelledError
from thcore.model import Execution, Finding, Location, Severity
from thcore.process import Interrupt
from thcore.testing import make_build


def judged(tmp_path: Path, execution: Execution, *lines: str) -> tuple[Finding, ...]:
    with make_build(tmp_path) as build:
        for line in lines:
            build.log(line, source="gate")
        return exit_status.plugin.thcore_analyse(build, execution)


@pytest.mark.parametrize("execution", [Execution(exit_code=0), Execution(exit_code=0, message="fine"), Execution()])
def test_exit_status_has_nothing_to_say_about_success_or_no_execution(tmp_path: Path, execution: Execution) -> None:
    assert judged(tmp_path, execution) == ()


def test_exit_status_fails_the_change_and_shows_the_last_lines(tmp_path: Path) -> None:
    (finding,) = judged(tmp_path, Execution(exit_code=3), *(f"line {number}" for number in range(100)), "\x1b[31mend")

    assert (finding.code, finding.severity) == ("exit-status", Severity.FAILURE)
    assert finding.message == "The job's program ended with exit status 3"
    assert len(finding.evidence) == 20
    assert finding.evidence[0] == "line 81"
    assert finding.evidence[-1] == "[31mend"


def test_exit_status_prefers_the_programs_own_message(tmp_path: Path) -> None:
    (finding,) = judged(tmp_path, Execution(exit_code=1, message="too slow"))

    assert finding.message == "too slow"


def test_exit_status_names_a_signal(tmp_path: Path) -> None:
    (finding,) = judged(tmp_path, Execution(exit_code=139))

    assert finding.message == "The job's program was killed by SIGSEGV"
    assert finding.severity is Severity.FAILURE


def test_exit_status_does_not_blame_the_change_for_a_kill(tmp_path: Path) -> None:
    (finding,) = judged(tmp_path, Execution(exit_code=137))

    assert (finding.code, finding.severity) == ("killed", Severity.UNVERIFIED)


def test_exit_status_reads_no_log_that_was_replaced_by_a_link(tmp_path: Path) -> None:
    with make_build(tmp_path) as build:
        build.workspace.log.unlink()
        build.workspace.log.symlink_to("/etc/passwd")
        (finding,) = exit_status.plugin.thcore_analyse(build, Execution(exit_code=1))

    assert finding.evidence == ()


def found(tmp_path: Path, options: LogPatternsOptions, text: bytes = b"", *lines: str) -> list[Finding]:
    with make_build(tmp_path) as build:
        for line in lines:
            build.log(line, source="gate")
        (build.workspace.artifacts / "other.log").write_bytes(text)
        return log_patterns.plugin.thcore_analyse(build, options)


OTHER = ("other.log",)


def test_a_pattern_is_found_with_its_line(tmp_path: Path) -> None:
    options = LogPatternsOptions((Pattern("^ERROR .*", Severity.FAILURE, code="error-line"),))

    assert found(tmp_path, options, b"", "all is well", "ERROR \x07 in the midst", "an ERROR not at the start") == [
        Finding(
            "error-line",
            Severity.FAILURE,
            "ERROR   in the midst",
            Location(path="console.log", line=2),
            evidence=("ERROR   in the midst",),
        )
    ]


@pytest.mark.parametrize("literal", [None, "Error"])
@pytest.mark.parametrize("regex", [r"\bError\b", "Error", ".*Error.*at", "(?i)Error"])
def test_a_literal_changes_the_speed_only(tmp_path: Path, literal: str | None, regex: str) -> None:
    text = b"one\nError at two\n\nfour\nan Error at five, Error\nsix\nError at seven"
    options = LogPatternsOptions((Pattern(regex, message="seen", literal=literal),), OTHER)

    assert [finding.location.line for finding in found(tmp_path, options, text)] == [2, 5, 7]


@pytest.mark.parametrize(
    ("regex", "literal"),
    [
        ("Traceback", "Traceback"),
        (r".*\[-\] (\d+) -> (\d+)\.\.\.", "[-] "),
        (r"(Innodb_\w+) was [0-9]{2,} is", " was "),
        (r"colou?r (red|blue|(?#)green)?", None),
        (r"colou?r: (red|blue)", "colo"),
        ("no+thing", "thing"),
        (r"a[^]]bcd", None),
        (r"[]x]yz", None),
        ("one|other", None),
        (r"(nested (group)) text", None),
        ("(?i)error", None),
        (r"\x41bc", None),
        (r"\\share\b", "\\share"),
        (r"\d+", None),
    ],
)
def test_a_literal_is_found_out_only_where_every_match_has_it(regex: str, literal: str | None) -> None:
    assert log_patterns._literal_of(regex) == literal


def test_lines_are_counted_across_pieces_of_a_large_log(tmp_path: Path) -> None:
    text = (
        b"filler of a line\n" * 200_000 + b"needle\n" + b"y" * 3_000_000 + b"\nneedle\n" + b"x\n" * 600_000 + b"needle"
    )
    options = LogPatternsOptions((Pattern("needle"), Pattern("need+le")), OTHER)

    lines = [finding.location.line for finding in found(tmp_path, options, text)]

    assert lines == [200_001, 200_003, 800_004] * 2


def test_many_matches_are_counted_beyond_the_first(tmp_path: Path) -> None:
    findings = found(tmp_path, LogPatternsOptions((Pattern("boom"),), OTHER), b"boom\n" * 5000)

    assert len(findings) == 21
    assert findings[-1].message == "4980 more lines match boom"


def test_the_end_of_a_long_line_is_not_looked_at(tmp_path: Path) -> None:
    text = b"a" * 9_000 + b"boom" + b"\n" + b"a" * 11_000 + b"boom\n"

    assert [f.location.line for f in found(tmp_path, LogPatternsOptions((Pattern("boom"),), OTHER), text)] == [1]


HOSTILE = (b"select " * 50_000, b"a\n" * 60_000, b"\xff" * 400_000, (b"a" * 9_999 + b"\n") * 20)
"""Logs that cost much where an expression is tried at every character of a line."""
COSTLY = LogPatternsOptions(
    (Pattern(".*error.*in.*"), Pattern("Traceback"), Pattern(r"\berror: \d+$"), Pattern("(?i)x.*y")), OTHER
)


def analysed(directory: Path, text: bytes) -> float:
    """Seconds of CPU that looking at a log takes."""
    directory.mkdir()
    with make_build(directory) as build:
        (build.workspace.artifacts / "other.log").write_bytes(text)
        started = time.process_time()
        assert log_patterns.plugin.thcore_analyse(build, COSTLY) == []
        return time.process_time() - started


@pytest.mark.parametrize("text", HOSTILE)
def test_time_grows_with_a_hostile_log_and_not_with_its_square(tmp_path: Path, text: bytes) -> None:
    short = analysed(tmp_path / "short", text)
    long = analysed(tmp_path / "long", text * 8)

    assert long < 24 * short + 0.5  # its square would be 64 times as long


@pytest.mark.parametrize(("text", "times"), list(zip(HOSTILE, (25, 10, 25, 50), strict=True)))
def test_a_hostile_log_takes_little_memory(tmp_path: Path, text: bytes, times: int) -> None:
    with make_build(tmp_path) as build:
        with (build.workspace.artifacts / "other.log").open("wb") as log:
            for _ in range(times):
                log.write(text)
        tracemalloc.start()
        assert log_patterns.plugin.thcore_analyse(build, COSTLY) == []
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert peak < 6 * 1024 * 1024, "less than the log, or than its lines, would take"


def test_a_pattern_that_backtracks_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_patterns, "BUDGET_S", 0.2)
    options = LogPatternsOptions((Pattern("(?:a+)+b"), Pattern("end")), OTHER)

    slow, quick = found(tmp_path, options, (b"a" * 20 + b"\n") * 1000 + b"end")

    assert (slow.code, slow.severity) == ("log-pattern-too-slow", Severity.UNVERIFIED)
    assert quick.location.line == 1001


def test_a_cancel_ends_the_search(tmp_path: Path) -> None:
    with Interrupt() as interrupt, make_build(tmp_path, interrupt=interrupt) as build:
        build.log("a line")
        interrupt.cancel("enough")
        with pytest.raises(CancelledError):
            log_patterns.plugin.thcore_analyse(build, LogPatternsOptions((Pattern("x"),)))


def test_only_plain_files_of_the_evidence_are_looked_at(tmp_path: Path) -> None:
    with make_build(tmp_path) as build:
        artifacts = build.workspace.artifacts
        (artifacts / "logs").mkdir()
        (artifacts / "logs" / "a.log").write_text("root\n")
        (artifacts / "logs" / "b.log").symlink_to("/etc/passwd")
        (artifacts / "etc").symlink_to("/etc")
        (tmp_path / "outside.log").write_text("root\n")
        options = LogPatternsOptions((Pattern("root"),), ("**/*.log", "etc/passwd", "**/passwd"))

        findings = log_patterns.plugin.thcore_analyse(build, options)

    assert [finding.location.path for finding in findings] == ["logs/a.log"]


@pytest.mark.parametrize(
    ("regex", "words"), [("a(b", "at position 1"), ("x*", "even an empty line"), ("[z-a]", "bad character range")]
)
def test_a_pattern_that_cannot_be_used_is_a_configuration_error(regex: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Pattern(regex)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", ""])
def test_files_outside_the_evidence_are_a_configuration_error(name: str) -> None:
    with pytest.raises(ValueError, match="files"):
        LogPatternsOptions((), (name,))


def test_a_code_is_kebab_case() -> None:
    with pytest.raises(ValueError, match="kebab-case"):
        Pattern("x", code="Not Good")
