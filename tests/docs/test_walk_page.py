"""The commands of the page about the walk, in the order in which they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.example import DOCS, EXAMPLES, laid_out

PAGE = DOCS / "walk.md"
CHANGES = {
    "refs/changes/02/2/1": ("migrations/versions/0003_closed.py", "good_change.py"),
    "refs/changes/03/3/1": ("migrations/versions/0004_once.py", "second_change.py"),
}


def shown() -> Iterator[tuple[str, list[str]]]:
    """Each command of the page with what is shown of its output."""
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        command, *lines = block.removeprefix("$ ").splitlines()
        yield command, lines


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_change_is_repeated_from_before_the_step_that_failed_with_the_commands_of_the_page(tmp_path: Path) -> None:
    place = laid_out(
        tmp_path, "alembic", "helpdesk", CHANGES, {"helpdesk": EXAMPLES / "engines" / "sqlite"}, stacked=True
    )
    commands = list(shown())
    assert len(commands) == 3
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for command, lines in commands:
        ended = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", command],
            cwd=place,
            env={**os.environ, "PATH": path, "NO_COLOR": "1", "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=270,
            check=False,
        )
        assert ended.returncode == (1 if lines[0] == "FAILURE" else 0), ended.stdout + ended.stderr
        told = " ".join(ended.stdout.split())
        assert all(line in told for line in lines), (command, ended.stdout)
        if command != commands[2][0]:
            assert commands[1][0] in told, "the finding names the next command"
