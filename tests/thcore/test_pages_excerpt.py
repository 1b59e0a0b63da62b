from __future__ import annotations

import io
import time
import tracemalloc
from pathlib import Path

import pytest

from thcore.model import Finding, Location, Severity
from thcore.model.finding import by_weight
from thcore.pages import excerpt
from thcore.pages.text import plain, visible

from parts import outcomes


def numbers(found: excerpt.Excerpt) -> list[int]:
    return [line.number for run in found.runs for line in run]


def test_the_excerpt_has_the_evidence_its_surroundings_and_the_end(tmp_path: Path) -> None:
    failing = outcomes.failing()
    outcomes.write_log(tmp_path / "console.log", failing)
    with (tmp_path / "console.log").open("rb") as log:
        found = excerpt.take(log, by_weight(failing.findings))
    around, end = found.runs
    hits = [line for line in around if line.finding is not None]
    assert [line.finding for line in hits] == [1, 1, 0, 0]
    assert found.first_lines == {1: hits[0].number, 0: hits[2].number}
    assert around[0].number == hits[0].number - 3
    assert around[-1].number == hits[-1].number + 3
    assert end[-1].text.startswith("verdict FAILURE")
    assert end[-1].number == found.total
    assert (hits[0].source, hits[0].time) == ("alembic", "09:29:15")


def test_a_short_log_is_one_run_without_gaps() -> None:
    found = excerpt.take(io.BytesIO(b"one\ntwo\nthree"), ())
    assert [[line.text for line in run] for run in found.runs] == [["one", "two", "three"]]
    assert found.total == 3


def test_an_empty_log_has_no_lines() -> None:
    assert excerpt.take(io.BytesIO(b""), ()) == excerpt.Excerpt()


def test_evidence_is_found_whatever_its_colours_and_its_stamp() -> None:
    log = b"x\n" * 100 + b"2026-03-14T09:26:53.001Z tool | \x1b[31mERROR: broken\x1b[0m\r\n" + b"x\n" * 100
    finding = Finding("broken", Severity.FAILURE, "", evidence=("2026-03-14T09:26:53.001Z tool | ERROR: broken",))
    found = excerpt.take(io.BytesIO(log), (finding,))
    assert found.first_lines == {0: 101}
    assert numbers(found) == [*range(98, 105), *range(172, 202)]


def test_the_step_of_a_finding_is_shown_where_it_starts_and_what_it_said_before_it_ended() -> None:
    def said(source: str, *lines: str) -> list[str]:
        return [f"2026-03-14T09:26:53.001Z {source} | {line}" for line in lines]

    lines = [
        *said("other", "step a->b starts", "step a->b ended after 1.0 s"),
        *said("shop", *["before"] * 50, "step a->b starts", *["much"] * 50),
        *said("shop", *(f"said {number}" for number in range(10)), "step a->b failed after 2.0 s", *["after"] * 50),
    ]
    finding = Finding("broken", Severity.FAILURE, "", Location(dataset="shop", step="a->b"), ("in other words",))
    found = excerpt.take(io.BytesIO("\n".join(lines).encode()), (finding,))
    assert found.first_lines == {0: 53}
    texts = [line.text for run in found.runs for line in run]
    assert [text for text in texts if text.startswith("said")] == [f"said {number}" for number in range(10)]
    assert "step a->b failed after 2.0 s" in texts
    assert 1 not in numbers(found)


def test_the_steps_of_the_change_are_found_where_they_start_on_each_dataset() -> None:
    steps = outcomes.steps()
    runs = [outcomes.dataset(name, "MariaDB", "10.11.6", steps) for name in ("one", "two")]
    step = "step a4cf72e90b35->b5d083fa1c46 starts"
    log = "".join(
        f"2026-03-14T09:26:53.001Z {source} | {text}\n"
        for source, text in [
            ("thcore", step),
            ("one", "step 93be61d8fa24->a4cf72e90b35 starts"),
            ("two", step),
            ("one", f"xb5d083fa1c46 b5d083fa1c46x; {step}"),
            ("one", step),
        ]
    )

    found = excerpt.take(io.BytesIO(log.encode()), (), runs)

    assert found.step_lines == {("two", "b5d083fa1c46"): 3, ("one", "b5d083fa1c46"): 4}


def test_evidence_that_is_everywhere_takes_no_more_than_its_share() -> None:
    evidence = tuple(f"line number {number}" for number in range(5000))
    log = "\n".join(evidence).encode()
    findings = [Finding("many", Severity.WARNING, "", evidence=evidence[start::7]) for start in range(7)]
    assert len(numbers(excerpt.take(io.BytesIO(log), findings))) <= 200


@pytest.mark.slow
def test_a_log_of_50_mb_is_read_in_little_memory_and_time(tmp_path: Path) -> None:
    line = b"2026-03-14T09:26:53.001Z alembic | INFO row 1234567 of table orders was copied to the new table\n"
    path = tmp_path / "console.log"
    with path.open("wb") as log:
        for _ in range(50):
            log.write(line * (1_000_000 // len(line)))
        log.write(b"\xff" * 2_000_000 + b"\n")
    with path.open("rb") as log:
        started = time.monotonic()
        found = excerpt.take(log, outcomes.failing().findings)
        seconds = time.monotonic() - started
    assert found.total > 500_000
    assert seconds < 30
    with path.open("rb") as log:
        log.seek(-5_000_000, io.SEEK_END)
        tracemalloc.start()
        excerpt.take(log, outcomes.failing().findings)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 2_000_000


def test_any_bytes_can_be_shown() -> None:
    text = bytes(range(256)).decode("utf-8", "surrogateescape") + "\u202e\u2066\ufeff"
    assert all(character.isprintable() or character == "\xa0" for character in visible(text))
    assert visible("a\nb\x1b\u202e\udcff") == r"a\nb\x1b\u202e\xff"


def test_a_line_is_shown_as_a_terminal_would_leave_it() -> None:
    assert plain("\x1b[1;32mok\x1b[0m \x1b]0;title\x07done\x1b(B") == "ok done"
    assert plain("10%\r50%\r100%\r") == "100%"
    assert plain("a\tb") == "a   b"
