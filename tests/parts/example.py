"""The examples of the documentation, put where their configurations say and run as their pages say."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from thcore.testing.repository import Repository, files_below

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = DOCS / "examples"
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
GOOD, BAD = "refs/changes/01/1/1", "refs/changes/02/2/1"


def laid_out(
    place: Path,
    example: str,
    project: str,
    changes: Mapping[str, tuple[str, str]],
    datasets: Mapping[str, Path],
    *,
    stacked: bool = False,
) -> Path:
    """An example below ``place``, with changes of one file each: by ref, the file's name in the project and in the
    example; each is on the main branch, or ``stacked`` on the one before. ``datasets`` are directories by name."""
    source = EXAMPLES / example
    repository = Repository(place / "git" / "example" / project, files_below(source / "project"))
    below = "main"
    for ref, (name, file) in changes.items():
        repository.change(ref, {name: (source / file).read_text("utf-8")}, below)
        below = ref if stacked else below
    for name, directory in datasets.items():
        shutil.copytree(directory, place / "datasets" / name)
    text = (source / "thcore.yaml").read_text("utf-8").replace("/srv", str(place))
    (place / "thcore.yaml").write_text(text, "utf-8")
    return place


def run(place: Path, page: Path, ref: str) -> tuple[int, dict[str, Any]]:
    """Run what a page says, on a change; exit status and result."""
    (call,) = [line[2:] for line in page.read_text("utf-8").splitlines() if line.startswith("$ thcore run")]
    words = [ref if word.startswith("refs/") else word for word in shlex.split(call)[1:]]
    ended = subprocess.run(
        [sys.executable, "-m", "thcore.cli.main", *words, "--json"],
        cwd=place,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=270,
        check=False,
    )
    assert ended.stdout, ended.stderr
    return ended.returncode, json.loads(ended.stdout)


def blocks(page: Path, language: str) -> Iterator[str]:
    """The code blocks of a page, without their indentation."""
    for indent, found, text in FENCE.findall(page.read_text("utf-8")):
        if found == language:
            yield re.sub(f"^{indent}", "", text, flags=re.MULTILINE)


def shown(page: Path) -> list[str]:
    """The lines of evidence that a page shows."""
    (block,) = [block for block in page.read_text("utf-8").split("```") if block.startswith("text\n")]
    return block.splitlines()[1:]


def steps_of(dataset: Mapping[str, Any]) -> list[tuple[str, bool, str]]:
    """Of each step of a dataset in a result: its version, whether the change adds it, how it ended."""
    return [(step["step"]["version"], step["added"], step["result"]) for step in dataset["steps"]]
