"""The tutorial for plugin authors, done as it says, by somebody who has wheels and a package index."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

import pytest
from attrs import field, frozen
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


@frozen(eq=False)
class Reader:
    """Somebody who does what the page says, in a directory of their own. What goes on running is ended with them."""

    home: Path
    env: Mapping[str, str]
    entered: list[str] = field(factory=list)
    demos: list[subprocess.Popen[str]] = field(factory=list)

    def write(self, file: File) -> None:
        (self.home / file.name).write_text(file.content, "utf-8")

    def type(self, command: str) -> str:
        """What a command prints. One that goes on has printed it when it waits."""
        if "activate" in command:
            self.entered[:] = [command.rpartition("&& ")[2]]
        line = "\n".join([*(entry for entry in self.entered if entry not in command), command])
        process = subprocess.Popen(
            ["bash", "-ec", line if "--serve" not in command else f"{' && '.join(self.entered)} && exec {command}"],
            cwd=self.home,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        if "--serve" not in command:
            printed, _ = process.communicate(timeout=600)
            assert process.returncode == 0, f"{command}: {printed}"
            return printed
        self.demos.append(process)
        lines = []
        for told in process.stdout:
            lines.append(told)
            if "thcore reload" in told:
                return "".join(lines)
        raise AssertionError("".join(lines))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for demo in self.demos:
            if demo.poll() is None:
                demo.send_signal(signal.SIGINT)
            told, _ = demo.communicate(timeout=120)
            print(told)  # shown for a test that failed


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_who_does_as_it_says_sees_what_it_shows_and_finds_the_finding_on_the_page(wheels: Path, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PATH", "PIP_", "UV_"))}
    found = " ".join([str(wheels), *os.environ.get("PIP_FIND_LINKS", "").split()])
    env = {**kept, "HOME": str(tmp_path), "LANG": "C.UTF-8", "NO_COLOR": "1", "PIP_FIND_LINKS": found}
    with Reader(tmp_path, env) as reader:
        for step in steps():
            if isinstance(step, File):
                reader.write(step)
                continue
            printed = reader.type(step.command)
            assert unlike(step.shown, printed) == [], f"{step.command}: {printed}"
        (demo,) = reader.demos
        assert demo.poll() is None

    (address,) = re.findall(r"^Evidence: (\S+)$", printed, re.MULTILINE)
    page = Path(unquote(urlsplit(address).path)).read_text("utf-8")
    (said,) = re.findall(r"^> (.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert said in page
    assert "big_steps" in page
    assert shlex.split(step.command)[:2] == ["thcore", "submit"]
    assert demo.returncode == 0
