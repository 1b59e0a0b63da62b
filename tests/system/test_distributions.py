"""What is uploaded: the wheels and sdists of every distribution, built twice and installed as a stranger does it."""

from __future__ import annotations

import email
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from uv import find_uv_bin

from thcore.builtin.interpreters import PLACES

ROOT = Path(__file__).parents[2]
MEMBERS = ("thcore", "thplugins_dbmigration", "thplugins_publish_local", "thplugins_publish_swift")
PYTHONS = ("3.11", "3.12", "3.13")
BROUGHT = {
    "thcore": {"git", "venv", "shell", "exit_status", "log_patterns"},
    "thplugins_dbmigration": {"dbmigration"},
    "thplugins_publish_local": {"publish_local"},
    "thplugins_publish_swift": {"publish_swift"},
}

pytestmark = [pytest.mark.system, pytest.mark.slow]


def run(*command: object, cwd: Path) -> str:
    ended = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=stranger(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, (command, ended.stdout, ended.stderr)
    return ended.stdout


def stranger() -> dict[str, str]:
    """The environment of somebody who has nothing of the workspace, with the machine's own ways to its packages."""
    ours = ("VIRTUAL_ENV", "PYTHON", "COV_", "COVERAGE", "PYTEST", "THCORE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def with_every_interpreter() -> dict[str, str]:
    """With those of the machine in front that are not in ``PATH``, such as a version manager's."""
    places = (Path(place).expanduser() for place in PLACES)
    found = (path for place in places for path in sorted(Path(place.anchor).glob(str(place.relative_to(place.anchor)))))
    return {**stranger(), "PATH": os.pathsep.join([*map(str, found), os.environ["PATH"]])}


def build(place: Path, moment: int) -> Path:
    """Build all distributions from a copy of their sources whose files are all of that moment."""
    for member in MEMBERS:
        shutil.copytree(ROOT / member, place / member, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        for path in (place / member).rglob("*"):
            os.utime(path, (moment, moment))
        run(find_uv_bin(), "build", "--quiet", "--out-dir", place / "dist", place / member, cwd=place)
    return place / "dist"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("built"), 1_700_000_000)


def of(dist: Path, member: str, suffix: str) -> Path:
    (path,) = dist.glob(f"{member}-*{suffix}")
    return path


def test_two_builds_at_different_times_and_places_are_the_same_byte_for_byte(
    dist: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    again = build(tmp_path_factory.mktemp("elsewhere-built-again"), 1_800_000_000)
    digests = [
        {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in each.iterdir() if path.name[0] != "."}
        for each in (dist, again)
    ]

    assert len(digests[0]) == 2 * len(MEMBERS)
    assert digests[0] == digests[1]


def test_twine_finds_nothing_to_complain_about(dist: Path) -> None:
    files = sorted(path for path in dist.iterdir() if path.name[0] != ".")
    told = run(sys.executable, "-m", "twine", "check", "--strict", *files, cwd=dist)

    assert told.count("PASSED") == 2 * len(MEMBERS)


@pytest.mark.parametrize("member", MEMBERS)
def test_a_wheel_holds_the_package_with_its_types_and_licence_and_nothing_else(dist: Path, member: str) -> None:
    with zipfile.ZipFile(of(dist, member, ".whl")) as wheel:
        names = wheel.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        told = email.message_from_bytes(wheel.read(metadata))

    assert {name.split("/")[0].split("-")[0] for name in names} == {member}
    assert f"{member}/py.typed" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert told["Requires-Python"] == ">=3.11"
    assert told["Description-Content-Type"] == "text/markdown"
    assert not any("test_" in name or name.endswith(".pyc") for name in names)


@pytest.mark.parametrize("member", MEMBERS)
def test_an_sdist_has_what_its_wheel_is_built_from(dist: Path, member: str) -> None:
    with tarfile.open(of(dist, member, ".tar.gz")) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}

    assert {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO"} <= inside


@pytest.mark.parametrize("version", PYTHONS)
@pytest.mark.parametrize("member", MEMBERS)
def test_each_distribution_installs_alone_with_no_more_than_the_core(
    dist: Path, member: str, version: str, tmp_path: Path
) -> None:
    uv = find_uv_bin()
    found = subprocess.run(
        [uv, "python", "find", "--system", "--no-python-downloads", version],
        env=with_every_interpreter(),
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        pytest.skip(f"there is no Python {version} on this machine")
    run(uv, "venv", "--quiet", "--python", found.stdout.strip(), tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    wheels = dict.fromkeys([of(dist, "thcore", ".whl"), of(dist, member, ".whl")])
    run(uv, "pip", "install", "--quiet", "--python", python, *wheels, cwd=tmp_path)

    plugins = json.loads(run(python, "-m", "thcore.cli.main", "plugins", "--json", cwd=tmp_path))
    schema = json.loads(run(python, "-m", "thcore.cli.main", "config", "schema", cwd=tmp_path))

    brought = BROUGHT["thcore"] | BROUGHT[member]
    assert {plugin["name"] for plugin in plugins} == brought
    assert [plugin["problems"] for plugin in plugins if plugin["problems"]] == []
    assert set(schema["properties"]["plugins"]["properties"]) == brought
    run(uv, "pip", "check", "--python", python, cwd=tmp_path)
