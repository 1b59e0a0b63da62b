from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from thcore.builtin.installed_project import ProjectInstaller
from thcore.builtin.uv_process import Uv
from thcore.builtin.venv import VenvOptions, plugin
from thcore.model import Checkout, Command
from thcore.testing import make_build

from parts.package import project_files, wheel

SETUPTOOLS = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
HATCHLING = (
    '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    '[project]\nname = "product"\nversion = "1"\n'
)
DECLARED = (
    SETUPTOOLS
    + '[project]\nname = "product"\nversion = "1.5"\n[project.scripts]\nproduct = "product:main"\n'
    + "[tool.setuptools]\npackages = ['product']\n"
)
FILES = {
    "pyproject.toml": DECLARED,
    "requirements.txt": "",
    "product/migrations/0001.py": "",
    "product/__init__.py": (
        "import importlib.metadata\n"
        "def main():\n    print('product', importlib.metadata.version('product'), __file__)\n"
    ),
}
KEPT = "the project is installed as before"


@pytest.fixture
def options() -> VenvOptions:
    """With an index: setuptools is needed to build."""
    return VenvOptions()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _one_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(cache))


def make(
    tmp_path: Path, options: VenvOptions, build_id: str, files: Mapping[str, str] = FILES, argv: tuple[str, ...] = ()
) -> tuple[str, str]:
    with make_build(tmp_path, build_id=build_id) as build:
        source = build.workspace.source
        for name, text in files.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(text)
        environment = plugin.thcore_environment(build, options, Checkout(source, "1" * 40))
        result = build.run(Command(argv or ("product",), capture=True), environment=environment)
        return result.stdout.decode().strip(), build.workspace.log.read_text()


def test_a_project_is_built_once_and_laid_down_for_each_build(tmp_path: Path, options: VenvOptions) -> None:
    first, first_log = make(tmp_path, options, "b1")
    changed = {**FILES, "product/migrations/0002.py": ""}
    second, second_log = make(tmp_path, options, "b2", changed)

    assert first == f"product 1.5 {tmp_path}/workspace-b1-1/source/product/__init__.py"
    assert second == f"product 1.5 {tmp_path}/workspace-b2-1/source/product/__init__.py"
    assert KEPT not in first_log
    assert KEPT in second_log
    venv = tmp_path / "workspace-b2-1" / "venv"
    traces = [path for path in venv.rglob("*") if path.is_file() and b"workspace-b1-1" in path.read_bytes()]
    assert traces == [], "nothing leads into the other build"


def test_another_program_of_the_project_is_there_at_once(tmp_path: Path, options: VenvOptions) -> None:
    make(tmp_path, options, "b1")
    more = {**FILES, "pyproject.toml": DECLARED.replace('product = "', 'other = "product:main"\nproduct = "')}

    said, log = make(tmp_path, options, "b2", more, ("other",))

    assert said.startswith("product 1.5")
    assert KEPT not in log


def test_a_project_with_code_of_its_own_is_built_each_time(tmp_path: Path, options: VenvOptions) -> None:
    files = {**project_files("product", text="X = 1\n"), "requirements.txt": ""}

    for build_id in ("b1", "b2"):
        _, log = make(tmp_path, options, build_id, files, ("python", "-c", "import product"))
        assert KEPT not in log


def test_a_build_that_writes_into_the_checkout_is_repeated(tmp_path: Path, options: VenvOptions) -> None:
    files = {
        **FILES,
        "pyproject.toml": '[build-system]\nrequires = ["setuptools", "setuptools-scm>=8"]\n'
        'build-backend = "setuptools.build_meta"\n[project]\nname = "product"\ndynamic = ["version"]\n'
        '[project.scripts]\nproduct = "product:main"\n[tool.setuptools]\npackages = ["product"]\n'
        '[tool.setuptools_scm]\nversion_file = "product/_version.py"\n',
    }
    for build_id in ("b1", "b2"):
        make_repository(tmp_path / f"workspace-{build_id}-1" / "source", files)
        _, log = make(tmp_path, options, build_id, files)
        assert KEPT not in log
        assert (tmp_path / f"workspace-{build_id}-1" / "source" / "product" / "_version.py").exists()


def make_repository(path: Path, files: Mapping[str, str], *, tag: str = "2.0", commits: int = 1) -> None:
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    git(path, "init", "-q")
    git(path, "add", "-A")
    git(path, "commit", "-q", "-m", "first")
    git(path, "tag", "-a", tag, "-m", tag)
    for number in range(commits):
        git(path, "commit", "-q", "--allow-empty", "-m", f"change {number}")


def git(path: Path, *words: str) -> None:
    who = ("-c", "user.name=N", "-c", "user.email=n@example.org")
    always = {"GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z"}
    subprocess.run(["git", "-C", str(path), *who, *words], check=True, env={**os.environ, **always})


PBR = {
    "setup.py": "import setuptools\nsetuptools.setup(setup_requires=['pbr>=2.0.0'], pbr=True)\n",
    "pyproject.toml": SETUPTOOLS.replace('"setuptools"', '"setuptools", "pbr>=2.0.0"', 1),
    "setup.cfg": "[metadata]\nname = product\n[files]\npackages =\n    product\n"
    "[entry_points]\nconsole_scripts =\n    product = product:main\n",
    "requirements.txt": "",
    "product/__init__.py": FILES["product/__init__.py"],
}


def test_a_version_made_from_the_history_is_right(tmp_path: Path, options: VenvOptions) -> None:
    versions = []
    for build_id, commits, wish in (("b1", 1, ""), ("b2", 1, ""), ("b3", 2, ""), ("b4", 1, "feature")):
        source = tmp_path / f"workspace-{build_id}-1" / "source"
        make_repository(source, PBR, commits=commits - bool(wish))
        if wish:
            git(source, "commit", "-q", "--allow-empty", "-m", f"more\n\nSem-Ver: {wish}")
        said, log = make(tmp_path, options, build_id, PBR)
        versions.append((said.split()[1], KEPT in log))

    assert versions == [("2.0.1.dev1", False), ("2.0.1.dev1", True), ("2.0.1.dev2", False), ("2.1.0.dev1", False)]


def test_a_tag_that_looks_like_an_option_is_none(tmp_path: Path, options: VenvOptions) -> None:
    source = tmp_path / "workspace-b1-1" / "source"
    make_repository(source, PBR)
    git(source, "update-ref", "refs/tags/--output=stolen", "HEAD")

    make(tmp_path, options, "b1", PBR)

    assert list(source.glob("stolen*")) == []


def test_an_answer_that_another_build_puts_away_meanwhile_is_laid_down(
    tmp_path: Path, options: VenvOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, options, "b1")
    moved = ProjectInstaller._moved

    def late(self: ProjectInstaller, text: str, answer: dict[str, Any]) -> str:
        for kept in self.directory.iterdir():
            kept.unlink()
        return moved(self, text, answer)

    monkeypatch.setattr(ProjectInstaller, "_moved", late)

    said, log = make(tmp_path, options, "b2")

    assert said.startswith("product 1.5")
    assert KEPT in log


def test_an_answer_that_was_changed_or_cut_short_is_not_used(tmp_path: Path, options: VenvOptions) -> None:
    make(tmp_path, options, "b1")
    (kept,) = tmp_path.rglob("state/**/projects/*.json")
    text = kept.read_text()

    damages = (text.replace("product:main", "evil:main!"), "[]", "", text[: len(text) // 2])
    for damaged in damages:
        kept.write_text(damaged)
        with make_build(tmp_path, build_id="b2") as build:
            uv = Uv(build, tmp_path / "unused")
            assert ProjectInstaller(kept.parent, build, uv, tmp_path, tmp_path, "any")._lay(kept) is None
    said, log = make(tmp_path, options, "b2")
    assert said.startswith("product 1.5")
    assert KEPT not in log
    assert kept.read_text() not in damages, "it is made again"


def test_a_place_for_answers_that_cannot_be_written_is_no_matter_of_the_build(
    tmp_path: Path, options: VenvOptions
) -> None:
    with make_build(tmp_path) as build:
        (build.state / "projects").touch()

    said, log = make(tmp_path, options, "b1")

    assert said.startswith("product 1.5")
    assert "cannot be kept for others" in log


def test_what_a_project_says_only_when_built_is_shared_too(tmp_path: Path, options: VenvOptions) -> None:
    wheel(tmp_path / "wheels", "needed", text="VALUE = 7\n")
    wheel(tmp_path / "wheels", "extra", text="VALUE = 8\n")
    requires = ["needed", 'extra ; extra == "more"', 'unheard-of ; extra == "other"']
    files = project_files("product", requires=requires, dynamic=True)
    options = evolve(options, find_links=(str(tmp_path / "wheels"),), offline=True)
    ask = ("python", "-c", "import needed, product; print(needed.VALUE)")

    said, _ = make(tmp_path, options, "b1", files, ask)
    again, log = make(tmp_path, options, "b2", files, ask)

    assert said == again == "7"
    assert "is here already" in log
    with_extra = {**files, "requirements.txt": ".[More]\n"}
    said, _ = make(tmp_path, options, "b3", with_extra, ("python", "-c", "import needed, extra; print(extra.VALUE)"))
    assert said == "8"


@pytest.mark.parametrize(
    "setup",
    [
        {"setup.py": "from setuptools import setup\nsetup(name='product', version='1', scripts=['bin/product'])\n"},
        {"setup.cfg": "[metadata]\nname = product\nversion = 1\n[options]\nscripts =\n    bin/product\n"},
        {
            "pyproject.toml": SETUPTOOLS + '[project]\nname = "product"\nversion = "1"\n[tool.setuptools]\n'
            'script-files = ["bin/product"]\n'
        },
        {"pyproject.toml": HATCHLING + '[tool.hatch.build.targets.wheel.shared-scripts]\n"bin/product" = "product"\n'},
    ],
)
def test_a_file_that_is_copied_is_the_one_of_the_change(
    tmp_path: Path, options: VenvOptions, setup: Mapping[str, str]
) -> None:
    files = {"pyproject.toml": SETUPTOOLS, "requirements.txt": "", "product/__init__.py": "", **setup}
    said = []
    for build_id in ("b1", "b2"):
        script = f"#!/usr/bin/env python\nprint('{build_id}')\n"
        said.append(make(tmp_path, options, build_id, {**files, "bin/product": script})[0])

    assert said == ["b1", "b2"]
    assert KEPT in make(tmp_path, options, "b3", {**files, "bin/product": script})[1], "it is as in b2"


def test_a_file_that_comes_beside_those_that_are_copied_is_copied_too(tmp_path: Path, options: VenvOptions) -> None:
    data = '[tool.hatch.build.targets.wheel.shared-data]\n"etc" = "etc"\n'
    files = {"pyproject.toml": HATCHLING + data, "requirements.txt": "", "product/__init__.py": "", "etc/first": "1\n"}
    show = ("/bin/sh", "-c", 'cat "$VIRTUAL_ENV"/etc/*')

    said = [make(tmp_path, options, "b1", files, show)[0]]
    said.append(make(tmp_path, options, "b2", {**files, "etc/second": "2\n"}, show)[0])

    assert said == ["1", "1\n2"]
