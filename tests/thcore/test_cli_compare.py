"""What `thcore compare` prints; no worker and no configuration exists."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from rich.console import Console

from thcore.cli.difference import show_comparison
from thcore.cli.main import cli, main
from thcore.errors import ExitCode
from thcore.forms.comparison import compare
from thcore.model import Outcome
from thcore.model.document import to_json

from parts.any_outcome import outcomes
from parts.outcomes import cancelled, failing, passing, steps, unverified

MADE = {"passing": passing(), "failing": failing(), "unverified": unverified(), "cancelled": cancelled()}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a result of each kind, as the working directory."""
    for name, outcome in MADE.items():
        (tmp_path / f"{name}.json").write_text(to_json(outcome), "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def compared(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code and both outputs of the command as a user would see them."""
    with pytest.raises(SystemExit) as caught:
        main(["compare", *arguments])
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


def on_screen(before: Outcome, after: Outcome) -> str:
    text = io.StringIO()
    show_comparison(Console(file=text, width=200), compare(before, after))
    return text.getvalue()


def test_the_help_fits_a_terminal_and_has_an_example() -> None:
    output = CliRunner().invoke(cli, ["compare", "--help"], terminal_width=80, prog_name="thcore").output
    assert [line for line in output.splitlines() if len(line) > 80] == []
    assert "Example: thcore compare " in output


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("passing", "passing", ExitCode.SUCCESS),
        ("unverified", "unverified", ExitCode.SUCCESS),
        ("failing", "passing", ExitCode.SUCCESS),
        ("passing", "failing", ExitCode.FAILURE),
        ("passing", "unverified", ExitCode.UNVERIFIED),
        ("cancelled", "failing", ExitCode.UNVERIFIED),
    ],
)
def test_the_exit_code_says_whether_it_is_worse(
    place: Path, before: str, after: str, code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    exited, out, err = compared(f"{before}.json", f"{after}.json", capsys=capsys)

    assert (exited, err) == (code, "")
    verdicts = f"{MADE[before].verdict.value} -> {MADE[after].verdict.value} "
    assert out.startswith(verdicts)
    exited, plain, _ = compared(f"{before}.json", f"{after}.json", "--json", capsys=capsys)
    assert exited == code
    assert {"new", "gone", "same", "facts", "stages", "steps", "assessment"} < set(json.loads(plain))


@pytest.mark.parametrize("name", MADE)
def test_a_result_and_itself_have_no_difference(place: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = compared(f"{name}.json", f"{name}.json", capsys=capsys)

    first, before, after, *rest = out.splitlines()
    assert first.endswith(" Nothing differs.")
    assert before.split(maxsplit=1)[1] == after.split(maxsplit=1)[1]
    count = len(MADE[name].findings)
    told = ["", f"{count} finding{'s are' if count > 1 else ' is'} in both."] if count else []
    assert rest == told


def test_what_is_new_and_gone_comes_first_then_versions_and_steps(place: Path) -> None:
    after = evolve(failing(), plugins=(evolve(failing().plugins[0], version="0.2.0"), *failing().plugins[1:]))
    text = on_screen(passing(), after)
    lines = text.splitlines()

    assert lines[0] == "SUCCESS -> FAILURE It is worse."
    assert lines[1].startswith("  Before: gate-real-db-upgrade_example for example/shop 12345,2, build e84f826c")
    new = text.index("\nNew:\n  ")
    gone = text.index("\nGone:\n  info index-unused: ")
    assert new < gone < text.index("Before ") < text.index("Counters")
    assert "  failure migration-too-slow: Step b5d083fa1c46 read 4,549,686 rows" in text
    assert ["plugin", "git", "thcore", "0.1.0", "thcore", "0.2.0"] in [line.split() for line in lines]
    (row,) = [line for line in lines if "b5d083fa1c46" in line and line.startswith("shop-mariadb")]
    assert "30 s -> 1 m 14 s" in row


def test_of_counters_those_furthest_apart_are_shown() -> None:
    before = evolve(failing(), datasets=(evolve(failing().datasets[1], steps=steps()),))
    run = before.datasets[0]
    last = run.steps[-1]
    assert last.measurement is not None
    counters = {"reads": 10, "writes": 0, "same": 7, "deadlocks": 100, "blocks": 1000, "pages": 10, "rows": None}
    more = {"reads": 20, "writes": 5, "same": 7, "deadlocks": 101, "blocks": 1500, "pages": 100, "rows": 3}

    def with_counters(of: dict[str, int | None]) -> Outcome:
        assert last.measurement is not None
        step = evolve(last, measurement=evolve(last.measurement, counters=of))
        return evolve(before, datasets=(evolve(run, steps=(*run.steps[:-1], step)),))

    text = on_screen(with_counters(counters), with_counters(more))
    assert "writes 0 -> 5, rows unknown -> 3, pages 10 -> 100, reads 10 -> 20, and 1 more" in text
    assert "deadlocks" not in text


def test_what_differs_little_is_counted_only() -> None:
    base = passing()
    run = base.datasets[0]
    a_bit = tuple(
        evolve(step, measurement=evolve(step.measurement, wall_s=step.measurement.wall_s * 1.1))
        for step in run.steps
        if step.measurement
    )
    text = on_screen(base, evolve(base, datasets=(evolve(run, steps=a_bit), base.datasets[1])))

    assert "12 steps differ by less than a fifth." in text
    assert "Counters" not in text


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(before=outcomes, after=outcomes)
def test_nothing_that_others_have_written_steers_the_terminal(before: Outcome, after: Outcome) -> None:
    text = on_screen(before, after)

    assert all(char.isprintable() or char in "\n\t\u00a0" for char in text)


def test_standard_input_is_one_result(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compared("-", "-", capsys=capsys)[0] == ExitCode.USAGE
