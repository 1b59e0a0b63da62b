from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from thcore.errors import ChangeError, InfrastructureError
from thcore.model import Attempt, Checkout, Command, Severity
from thcore.testing import make_build
from thcore.testing.contract import EnvironmentContract

from thplugins_example_toolchain.plugin import ToolchainOptions
from thplugins_example_toolchain.plugin import plugin as toolchain

COMMIT = "1" * 40


def tool(archives: Path, name: str, script: str) -> None:
    """An archive with one program."""
    archives.mkdir(exist_ok=True)
    with tarfile.open(archives / f"{name}.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo(f"bin/{name.partition('-')[0]}")
        member.size, member.mode = len(script), 0o755
        archive.addfile(member, io.BytesIO(script.encode()))


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    tool(tmp_path / "tools", "greet-1.2", "#!/bin/sh\necho hello\n")
    tool(tmp_path / "tools", "greet-2.0", "#!/bin/sh\necho hello again\n")
    return tmp_path / "tools"


class TestToolchain(EnvironmentContract):
    plugin = toolchain
    project = MappingProxyType({".tools": "# what we need\ngreet 1.2\n"})
    program = ("greet",)
    broken = MappingProxyType({".tools": "greet 3.0\n"})

    @pytest.fixture
    def options(self, archives: Path) -> Mapping[str, Any]:
        return {"archives": str(archives)}


def test_each_project_has_the_version_that_it_asks_for(tmp_path: Path, archives: Path) -> None:
    said = {}
    for version in ("1.2", "2.0"):
        with make_build(tmp_path, build_id=f"b{version}") as build:
            (tmp_path / ".tools").write_text(f"greet {version}\n")
            environment = toolchain.thcore_environment(build, ToolchainOptions(archives), Checkout(tmp_path, COMMIT))
            result = build.run(Command(("greet",), capture=True), environment=environment)
            said[environment.description] = result.stdout

    assert said == {("greet==1.2",): b"hello\n", ("greet==2.0",): b"hello again\n"}


@pytest.mark.parametrize("line", ["greet", "../../etc 1", "greet ../../etc", "greet 1.2 && rm -rf", "GREET 1", "\0 1"])
def test_what_is_no_tool_is_told_with_its_line(tmp_path: Path, archives: Path, line: str) -> None:
    (tmp_path / ".tools").write_text(f"greet 1.2\n{line}\n")

    with make_build(tmp_path) as build, pytest.raises(ChangeError, match=r"\.tools:2: .* is no tool"):
        toolchain.thcore_environment(build, ToolchainOptions(archives), Checkout(tmp_path, COMMIT))


def test_a_tool_that_is_not_there_is_told_with_those_that_are(tmp_path: Path, archives: Path) -> None:
    (tmp_path / ".tools").write_text("greet 3.0\n")

    with (
        make_build(tmp_path) as build,
        pytest.raises(ChangeError, match=r"no tool greet-3\.0.*: greet-1\.2, greet-2\.0"),
    ):
        toolchain.thcore_environment(build, ToolchainOptions(archives), Checkout(tmp_path, COMMIT))


def test_an_archive_that_is_damaged_is_not_the_changes_fault_and_leaves_nothing(tmp_path: Path, archives: Path) -> None:
    (archives / "greet-1.2.tar.gz").write_bytes(b"no archive")
    (tmp_path / ".tools").write_text("greet 1.2\n")

    with make_build(tmp_path) as build:
        with pytest.raises(InfrastructureError, match="cannot be unpacked"):
            toolchain.thcore_environment(build, ToolchainOptions(archives), Checkout(tmp_path, COMMIT))

        assert not [path for path in build.state.rglob("*") if path.is_file()]


def test_what_a_killed_build_has_left_is_removed_and_the_tools_are_kept(tmp_path: Path) -> None:
    (tmp_path / ".b1-2" / "0" / "bin").mkdir(parents=True)
    (tmp_path / "greet-1.2").mkdir()

    toolchain.thcore_cleanup(Attempt("b1", "job", 2, tmp_path / "workspace", tmp_path))

    assert [path.name for path in tmp_path.iterdir()] == ["greet-1.2"]


def test_a_worker_without_tools_is_told_what_to_do(tmp_path: Path, archives: Path) -> None:
    options = (ToolchainOptions(archives), ToolchainOptions(tmp_path / "none"))

    none, some = sorted(toolchain.thcore_health(options), key=lambda finding: finding.message)

    assert (none.severity, some.severity) == (Severity.UNVERIFIED, Severity.INFO)
    assert none.hint is not None
