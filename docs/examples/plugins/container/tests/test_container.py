from __future__ import annotations

import re
import select
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import Command, Severity
from thcore.testing import make_build
from thcore.testing.contract import EnvironmentContract

from thplugins_example_container import image
from thplugins_example_container.plugin import ContainerOptions
from thplugins_example_container.plugin import plugin as container

PROGRAMS = ("sh", "env", "cat", "ls")


def containers_can_be_made() -> bool:
    if shutil.which("bwrap") is None:
        return False
    call = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
    return subprocess.run(call, capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not containers_can_be_made(), reason="needs bubblewrap and user namespaces")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image with a few programs of this machine, and what they are linked with."""
    root = tmp_path_factory.mktemp("images") / "small"
    for program in PROGRAMS:
        path = Path(shutil.which(program) or program)
        linked = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=True).stdout
        copy(path, root / "usr" / "bin" / program)
        for library in re.findall(r"(/\S+)", linked):
            copy(Path(library), root / library.removeprefix("/"))
    (root / "bin").symlink_to("usr/bin")
    (root / "etc").mkdir()
    (root / "etc" / "os-release").write_text('ID=small\nPRETTY_NAME="Small 1"\n')
    return root


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    with make_build(tmp_path) as made:
        made.workspace.source.mkdir()
        yield made


def said(build: Build, options: ContainerOptions, script: str) -> list[str]:
    """The lines that a script prints in the container."""
    environment = container.thcore_environment(build, options)
    command = Command(("sh", "-c", script), cwd=build.workspace.source, capture=True)
    result = build.run(command, environment=environment)
    assert result.ok, result.tail
    return result.stdout.decode().splitlines()


class TestContainer(EnvironmentContract):
    plugin = container
    program = ("cat", "/etc/os-release")

    @pytest.fixture
    def options(self, small: Path) -> Mapping[str, Any]:
        return {"image": str(small)}


def test_programs_see_the_image_and_the_workspace_and_nothing_else(build: Build, small: Path) -> None:
    (build.workspace.source / "file").write_text("of the project")

    assert said(build, ContainerOptions(small), "cat file; echo; cat /etc/os-release")[0] == "of the project"
    assert said(build, ContainerOptions(small), "ls /usr/bin") == sorted(PROGRAMS)
    assert said(build, ContainerOptions(small), "echo /home/* /root/* /srv/*") == ["/home/* /root/* /srv/*"]


def test_what_programs_write_is_in_the_workspace_and_the_image_stays_as_it_is(build: Build, small: Path) -> None:
    script = "echo made > made; (echo spoilt > /etc/os-release) 2> refused || echo cannot; cat made"

    assert said(build, ContainerOptions(small), script) == ["cannot", "made"]
    assert (build.workspace.source / "made").read_text() == "made\n"
    assert "Read-only file system" in (build.workspace.source / "refused").read_text()


def test_the_network_of_the_machine_is_there_only_when_the_job_asks_for_it(build: Build, small: Path) -> None:
    machine = devices(Path("/proc/net/dev").read_text().splitlines())

    assert devices(said(build, ContainerOptions(small), "cat /proc/net/dev")) == {"lo"}
    assert devices(said(build, ContainerOptions(small, network=True), "cat /proc/net/dev")) == machine


def devices(table: list[str]) -> set[str]:
    """The devices in the kernel's table, which has two lines of headings."""
    return {line.partition(":")[0].strip() for line in table[2:]}


def test_programs_have_processes_of_their_own(build: Build, small: Path) -> None:
    assert int(said(build, ContainerOptions(small), "echo $$")[0]) < 5


def test_nothing_goes_on_in_a_container_whose_program_was_killed(build: Build, small: Path) -> None:
    environment = container.thcore_environment(build, ContainerOptions(small))
    call = [*environment.prefix, "sh", "-c", "echo begun; cat"]
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"

        process.kill()

        ended, _, _ = select.select([process.stdout], [], [], 20)  # nobody has it open any more
        if process.stdin is not None:
            process.stdin.close()  # ends what might still read from it
    assert ended


def test_more_directories_are_visible_when_the_job_names_them(build: Build, small: Path, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "wheel").write_text("a wheel")
    script = f"cat {shelf}/wheel; (echo > {shelf}/wheel) 2>/dev/null || echo , read only"

    assert said(build, ContainerOptions(small, visible=(shelf,)), script) == ["a wheel, read only"]


def test_the_image_keeps_what_it_has_beside_the_way_to_the_workspace(small: Path, tmp_path: Path) -> None:
    own = shutil.copytree(small, tmp_path / "own", symlinks=True)
    (own / "var" / "lib" / "thcore").mkdir(parents=True)
    (own / "var" / "lib" / "beside").write_text("beside")
    (own / "var" / "log").symlink_to("lib")
    (tmp_path / "file").write_text("in the workspace")
    workspace = "/var/lib/thcore/work/b1"

    call = ["bwrap", *image.mounts(own, Path(workspace)), "--bind", str(tmp_path), workspace]
    script = f"cat /var/log/beside; echo; cat {workspace}/file"
    told = subprocess.run([*call, "sh", "-c", script], capture_output=True, text=True, check=True).stdout

    assert told.splitlines() == ["beside", "in the workspace"]


def test_a_directory_that_is_no_image_is_not_the_changes_fault(build: Build, tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="is no image"):
        container.thcore_environment(build, ContainerOptions(tmp_path))


def test_an_image_without_a_name_is_known_by_its_directory(small: Path, tmp_path: Path) -> None:
    (tmp_path / "plain" / "usr" / "bin").mkdir(parents=True)

    assert (image.name(small), image.name(tmp_path / "plain")) == ("Small 1", "plain")


def test_a_machine_that_cannot_make_containers_is_told_what_to_do(
    small: Path, tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = (
        ContainerOptions(small),
        ContainerOptions(tmp_path / "none"),
        evolve(ContainerOptions(small), network=True),
    )
    well, *found = container.thcore_health(options)
    some, none = sorted(found, key=lambda finding: finding.severity is not Severity.INFO)
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = next(iter(container.thcore_health(())))

    assert (well.severity, none.severity, some.severity) == (Severity.INFO, Severity.UNVERIFIED, Severity.INFO)
    assert some.message.endswith("has Small 1")
    assert missing.command == "apt-get install bubblewrap"
    with pytest.raises(InfrastructureError, match="there is no bwrap"):
        container.thcore_environment(build, ContainerOptions(small))
