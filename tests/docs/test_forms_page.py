"""What the page on forms shows is what is printed."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

from attrs import evolve
from rich.console import Console

from thcore.cli.compare import CODES
from thcore.cli.outcome import show_result
from thcore.cli.retrieval import MOST, WITHIN_S
from thcore.errors import ExitCode
from thcore.forms import markdown, sarif
from thcore.model import Finding, Severity
from thcore.model.quantity import format_size

from parts.outcomes import failing

PAGE = (Path(__file__).parents[2] / "docs" / "forms.md").read_text("utf-8")


def test_the_lines_of_a_terminal_are_those_that_are_printed() -> None:
    (block,) = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    text = io.StringIO()
    show_result(Console(file=text, width=100), failing())

    assert text.getvalue().startswith(block + "\n")


def test_the_tables_of_sarif_and_exit_codes_say_what_the_code_does() -> None:
    findings = tuple(Finding(severity.value, severity, "x") for severity in Severity)
    (run,) = json.loads(sarif.to_json(evolve(failing(), findings=findings)))["runs"]
    for result in run["results"]:
        row = rf"^\| `{result['ruleId']}` \| `{result['kind']}`.* \| `{result['level']}` \|$"
        assert re.search(row, PAGE, re.MULTILINE), result["ruleId"]

    codes = {int(code) for code in re.findall(r"^\| (\d+) \| ", PAGE, re.MULTILINE)}
    assert codes == {*map(int, CODES.values()), ExitCode.SUCCESS, ExitCode.USAGE, ExitCode.UNAVAILABLE}


def test_limits_are_those_of_the_code() -> None:
    assert f"{markdown.LIMIT:,} unless told otherwise" in PAGE
    assert f"no more than {format_size(MOST).replace('.0', '')} are taken, within {WITHIN_S:.0f} seconds" in PAGE
