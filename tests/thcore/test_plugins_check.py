from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from thcore.errors import ConfigError
from thcore.model import Finding, Seconds, Severity
from thcore.plugins import check as checking
from thcore.plugins import cost, import_time
from thcore.plugins.check import check
from thcore.plugins.subject import Subject, subjects

from parts.distribution import Site, site
from parts.plugin_source import QUIET

PROJECT = """
[project]
name = "acme-quiet"
version = "4.5"
requires-python = "{python}"
dependencies = [{dependencies}]

[project.entry-points."thcore.plugins"]
quiet = "acme_quiet.plugin:plugin"
"""

OFFENDING = """
import sys
import warnings
import acme_heavy
from attrs import define, field
from thcore.deprecation import Deprecated
from thcore.hooks import hookimpl, option
from thcore.process import run

print("hello from the import")
Deprecated("thcore.hooks.old", "0.1", "use new").warn()


@define
class Options:
    documented: int = option("What it is.", default=1)
    silent: int = field(default=2)
    odd: complex = option("A number.", default=1j)


class Quiet:
    @hookimpl
    def thcore_job_options(self):
        return Options

    @hookimpl
    def thcore_publish(self):
        return None


plugin = Quiet()
"""
HEAVY = "import time\nend = time.thread_time() + 0.03\nwhile time.thread_time() < end: pass\n"


def directory(
    path: Path,
    source: str = QUIET,
    *,
    dependencies: str = '"thcore>=0.1,<1"',
    python: str = ">=3.11",
    more: Mapping[str, str] | None = None,
) -> Path:
    """A distribution that is not installed."""
    place = path / "acme-quiet"
    package = place / "src" / "acme_quiet"
    package.mkdir(parents=True)
    (place / "pyproject.toml").write_text(PROJECT.format(dependencies=dependencies, python=python))
    (package / "__init__.py").touch()
    (package / "plugin.py").write_text(source)
    for name, text in (more or {}).items():
        (place / "src" / f"{name}.py").write_text(text)
    return place


def found(target: Path | str) -> dict[str, list[Finding]]:
    (subject,) = subjects(str(target))
    told: dict[str, list[Finding]] = {}
    for finding in check(subject):
        told.setdefault(finding.code, []).append(finding)
    return told


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path / "site") as made:
        yield made


@pytest.mark.system
def test_a_plugin_that_keeps_the_contract_is_told_so_without_being_installed(tmp_path: Path) -> None:
    told = found(directory(tmp_path))

    assert {finding.severity for each in told.values() for finding in each} == {Severity.INFO}
    assert told["plugin-metadata"][0].message == "acme-quiet 4.5 for thcore>=0.1,<1"
    assert told["plugin-hooks"][0].message == "implements thcore_analyse"
    assert told["plugin-behaviour"][0].message.endswith("AnalyserContract")
    assert "ms of CPU" in told["plugin-import"][0].message


@pytest.mark.system
def test_everything_that_offends_is_told_at_once_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "SLOW_CPU_S", 0.01)

    told = found(directory(tmp_path, OFFENDING, dependencies="", more={"acme_heavy": HEAVY}))

    file = tmp_path / "acme-quiet" / "src" / "acme_quiet" / "plugin.py"
    assert told["plugin-core-unsaid"][0].hint == 'Add to its dependencies: "thcore>=0.1,<1"'
    (gone,) = told["plugin-deprecated"]
    assert gone.message == f"{file}:11: thcore.hooks.old is gone in thcore 0.2; use new"
    assert [finding.message for finding in told["plugin-private-import"]] == [
        f"imports what is private: {file}:6: thcore.deprecation.Deprecated",
        f"imports what is private: {file}:8: thcore.process.run",
    ]
    assert told["plugin-private-import"][0].severity is Severity.UNVERIFIED
    assert [finding.message for finding in told["plugin-option-unclear"]] == [
        "Options can be changed; make it @frozen",
        "Options.silent: it does not say what it is for; use thcore.hooks.option",
        "Options.odd: complex cannot be written in a file; choose another type",
    ]
    (slow,) = told["plugin-import-slow"]
    assert "acme_heavy " in slow.message.partition("the most of it: ")[2]
    assert slow.severity is Severity.WARNING


@pytest.mark.system
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import sys\nsys.exit(3)\n", "its import failed: SystemExit: 3"),
        ("import os\nprint('my last words', flush=True)\nos._exit(3)\n", "exit status 3; my last words"),
        ("import time\nwhile True: time.sleep(60)\n", "it ran into its time limit"),
        (QUIET.replace("analyse", "analyze"), "unknown hook thcore_analyze; did you mean thcore_analyse?"),
        (QUIET.replace("(self)", "(self, colour)"), "thcore_analyse has no argument colour; it has build, options"),
    ],
    ids=["exits", "dies", "hangs", "misspelt", "argument"],
)
def test_a_plugin_that_cannot_be_loaded_is_told_why_whatever_its_import_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, expected: str
) -> None:
    if "while True" in source:
        monkeypatch.setattr(checking, "TIMEOUT_S", Seconds(3.0))

    (finding,) = found(directory(tmp_path, source))["plugin-not-loaded"]

    assert expected in finding.message
    assert finding.severity is Severity.UNVERIFIED


@pytest.mark.system
def test_what_else_offends_is_told_beside_a_hook_that_is_wrong(tmp_path: Path) -> None:
    told = found(directory(tmp_path, OFFENDING.replace("publish", "publsh"), more={"acme_heavy": HEAVY}))

    assert len(told["plugin-not-loaded"]) == 1
    assert len(told["plugin-private-import"]) == 2
    assert len(told["plugin-deprecated"]) == 1
    assert {"plugin-import", "plugin-import-slow"} & set(told)


def test_a_plugin_for_another_core_is_not_imported(tmp_path: Path) -> None:
    marker = tmp_path / "imported"
    source = f"open({str(marker)!r}, 'w').close()\n" + QUIET

    told = found(directory(tmp_path, source, dependencies='"thcore>=77"', python="<3"))

    assert "it needs thcore>=77" in told["plugin-core-unfit"][0].message
    assert "it is for Python <3" in told["plugin-python-unfit"][0].message
    assert not marker.exists()
    assert "plugin-hooks" not in told


@pytest.mark.system
def test_a_plugin_whose_name_an_installed_one_has_is_told_its_owner(place: Site, tmp_path: Path) -> None:
    place.plugin("quiet", QUIET, distribution="acme-other")

    (subject,) = (each for each in (*subjects(str(directory(tmp_path))),) if each.distribution == "acme-quiet")
    told = [finding.message for finding in check(subject) if finding.code == "plugin-name-taken"]

    assert told == ["acme-other 1.2.3 has a plugin quiet as well; neither can be used"]


@pytest.mark.system
def test_a_wheel_is_read_as_it_is(tmp_path: Path) -> None:
    wheel = tmp_path / "acme_quiet-4.5-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("acme_quiet.py", QUIET + "import thcore.process\n")
        metadata = "Metadata-Version: 2.1\nName: acme-quiet\nVersion: 4.5\nRequires-Dist: thcore<1,>=0.1\n"
        archive.writestr("acme_quiet-4.5.dist-info/METADATA", f"{metadata}Requires-Python: >=3.11\n")
        points = "[thcore.plugins]\nquiet = acme_quiet:plugin\n"
        archive.writestr("acme_quiet-4.5.dist-info/entry_points.txt", points)

    (subject,) = subjects(str(wheel))

    expected = Subject("quiet", "acme_quiet:plugin", "acme-quiet", "4.5", ">=0.1,<1", ">=3.11", (str(wheel),))
    assert subject == expected
    told = found(wheel)
    assert "plugin-hooks" in told
    assert told["plugin-private-import"][0].message == "imports what is private: acme_quiet.py:10: thcore.process"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "there is no pyproject.toml"),
        ("[project", "pyproject.toml: "),
        ("[tool.x]", "it has no table [project]"),
        ("[project]\nname = 'x'", 'add the table [project.entry-points."thcore.plugins"]'),
    ],
)
def test_a_directory_that_is_no_plugins_is_told_what_it_lacks(tmp_path: Path, text: str | None, expected: str) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)

    with pytest.raises(ConfigError) as caught:
        subjects(str(tmp_path))

    assert expected in str(caught.value)


def test_what_is_neither_a_name_nor_a_path_is_told_the_closest_name() -> None:
    with pytest.raises(ConfigError, match=r"gti is neither .*; did you mean git\?"):
        subjects("gti")


def test_time_is_counted_by_package_between_the_marks_only() -> None:
    lines = [
        "import time:       900 |        900 | before",
        "begin",
        "import time:      2000 |       2000 |     heavy.inner",
        "a word of the plugin",
        "import time:      5000 |       7000 |   heavy",
        "import time:      1000 |       8000 | own.plugin",
        "end",
        "import time:       900 |        900 | after",
    ]

    assert import_time.by_package(lines, "begin", "end") == {"heavy": 0.007, "own": 0.001}
