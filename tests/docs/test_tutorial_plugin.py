"""The tutorial for plugin authors, done as it says, by somebody who has wheels and a package index."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from attrs import frozen
from uv import find_uv_bin

from thcore.model import StageName
from thcore.starter import distribution

from parts.stranger import ROOT, Stranger

PAGE = ROOT / "docs" / "tutorial-plugin.md"
RESULT = ROOT / "docs" / "examples" / "tutorial"
MEMBERS = ("thcore", "thplugins_dbmigration", "thplugins_publish_local")
BLOCK = re.compile(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMES = distribution.named("big_steps")


@frozen
class File:
    """A file that the reader writes."""

    name: str
    content: str


@frozen
class Call:
    """A command that the reader types, and the lines that the page shows of what it prints."""

    command: str
    shown: tuple[str, ...]


def steps() -> Iterator[File | Call]:
    """What the reader does, in the order of the page."""
    for kind, source, text in BLOCK.findall(PAGE.read_text("utf-8")):
        if kind == "{literalinclude}":
            (name,) = re.findall(r"^:caption: (\S+)$", text, re.MULTILINE)
            yield File(name, (PAGE.parent / source).read_text("utf-8"))
        elif kind == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, *shown = part.splitlines()
                yield Call(command, tuple(shown))


def unlike(shown: tuple[str, ...], printed: str) -> list[str]:
    """The lines that are shown and not printed, in this order; ``…`` stands for whatever is there."""
    left = iter(printed.splitlines())
    patterns = {line: re.compile(re.escape(line).replace("…", ".*")) for line in shown if line != "…"}
    return [line for line, pattern in patterns.items() if not any(pattern.fullmatch(told.rstrip()) for told in left)]


def test_lines_that_are_not_printed_in_their_order_are_noticed() -> None:
    assert unlike(("a", "…", "b … d"), "a\nx\nb c d") == []
    assert unlike(("b", "a"), "a\nb") == ["a"]
    assert unlike(("a b",), "a c") == ["a b"]


def test_it_takes_ten_commands_at_most_and_shows_what_is_written() -> None:
    calls = [step.command for step in steps() if isinstance(step, Call)]
    files = [step.name for step in steps() if isinstance(step, File)]

    assert 5 < len(calls) <= 10
    assert all((RESULT / name).is_file() for name in files)
    assert sorted(files) == [
        "thplugins-big-steps/src/thplugins_big_steps/plugin.py",
        "thplugins-big-steps/tests/test_plugin.py",
    ]


def test_its_plugin_passes_its_tests_in_the_distribution_that_is_written_for_it(tmp_path: Path) -> None:
    stranger, files = Stranger.with_the_workspace(tmp_path / "venv"), distribution.contents(NAMES, StageName.ANALYSE)
    distribution.write(tmp_path / NAMES.distribution, files)
    for step in steps():
        if isinstance(step, File):
            (tmp_path / step.name).write_text(step.content, "utf-8")

    told = stranger.module(
        "pytest", "-q", "-p", "no:cacheprovider", "-o", "pythonpath=src", cwd=tmp_path / NAMES.distribution
    )

    assert " passed" in told
    assert (RESULT / NAMES.distribution / "pyproject.toml").read_text("utf-8") == files["pyproject.toml"]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is published, as it is here."""
    place = tmp_path_factory.mktemp("wheels")
    for member in MEMBERS:
        build = [find_uv_bin(), "build", "--quiet", "--wheel", "--out-dir", str(place), str(ROOT / member)]
        subprocess.run(build, check=True)
    return place


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_who_does_as_it_says_sees_what_it_shows_and_finds_the_finding_on_the_page(wheels: Path, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PATH", "PIP_", "UV_"))}
    found = " ".join([str(wheels), *os.environ.get("PIP_FIND_LINKS", "").split()])
    env = {**kept, "HOME": str(tmp_path), "LANG": "C.UTF-8", "NO_COLOR": "1", "PIP_FIND_LINKS": found}
    activate, printed = "", ""
    for step in steps():
        if isinstance(step, File):
            (tmp_path / step.name).write_text(step.content, "utf-8")
            continue
        call = ["bash", "-ec", f"{activate}\n{step.command}"]
        ended = subprocess.run(call, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600, check=False)
        printed = ended.stdout
        assert ended.returncode == 0, f"{step.command}: {printed}{ended.stderr}"
        assert unlike(step.shown, printed) == [], f"{step.command}: {printed}"
        if "activate" in step.command:
            activate = step.command.rpartition("&& ")[2]

    (address,) = re.findall(r"^  Evidence: (\S+)$", printed, re.MULTILINE)
    page = Path(unquote(urlsplit(address).path)).read_text("utf-8")
    assert "One step changes 59,821 rows" in page
    assert "big_steps" in page
    assert shlex.split(step.command)[:2] == ["thcore", "run"]
