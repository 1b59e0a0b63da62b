from __future__ import annotations

import fcntl
import shutil
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from attrs import evolve

from thcore.builtin import environments, seal
from thcore.builtin.venv import VenvOptions, VenvSettings, plugin
from thcore.model import Attempt, Bytes, Checkout, Command, Environment, Seconds
from thcore.testing import make_build

from parts.package import project_files, wheel

FILES = {"requirements.txt": "needed\n"}
USES = {"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "UV_CACHE_DIR", "UV_FIND_LINKS", "UV_LINK_MODE"}


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VenvOptions]:
    for name in USES:
        monkeypatch.delenv(name, raising=False)
    wheel(tmp_path / "wheels", "needed", text="VALUE = 'right'\n")
    yield VenvOptions(find_links=(str(tmp_path / "wheels"),), offline=True)
    seal.remove(tmp_path / "state")


def make(
    tmp_path: Path,
    options: VenvOptions,
    build_id: str = "b1",
    *,
    files: Mapping[str, str] = FILES,
    settings: VenvSettings | None = None,
    program: str = "import needed; print(needed.VALUE)",
) -> tuple[str, str]:
    """Make an environment, run a program in it; answers what it printed, and the log."""
    with make_build(tmp_path, build_id=build_id, settings=settings) as build:
        for name, text in files.items():
            (build.workspace.source / name).parent.mkdir(parents=True, exist_ok=True)
            (build.workspace.source / name).write_text(text)
        environment = plugin.thcore_environment(build, options, Checkout(build.workspace.source, "1" * 40))
        result = build.run(Command(("python", "-c", program), capture=True), environment=environment)
        return result.stdout.decode().strip(), build.workspace.log.read_text()


def end(tmp_path: Path, build_id: str) -> None:
    (environments,) = tmp_path.rglob("state/**/environments")
    plugin.thcore_cleanup(Attempt(build_id, "job", 1, tmp_path, environments.parent))


def bases(tmp_path: Path) -> list[Path]:
    return sorted(path.parent for path in tmp_path.rglob("state/**/environments/*/OK"))


def installed(tmp_path: Path, name: str = "needed.py") -> Path:
    (base,) = bases(tmp_path)
    return next(base.glob(f"venv/lib/python*/site-packages/{name}"))


HERE = (
    "import needed, os, pathlib; f = pathlib.Path(needed.__file__); c = pathlib.Path(needed.__cached__); d = f.parent; "
)
HOSTILE = {
    "writes into a module": "f.chmod(0o644); f.write_text('VALUE = 0\\n')",
    "writes into a module and turns the clock back": "s = f.stat(); f.chmod(0o644);"
    " f.write_text(f.read_text().replace('right', 'wrong')); os.utime(f, ns=(s.st_atime_ns, s.st_mtime_ns))",
    "replaces a module": "d.chmod(0o755); f.unlink(); f.write_text('VALUE = 0\\n')",
    "removes a package": "d.chmod(0o755); f.unlink()",
    "changes compiled code": "c.chmod(0o644); c.write_bytes(c.read_bytes().replace(b'right', b'wrong'))",
    "adds code that runs at the start": "d.chmod(0o755);"
    " (d / 'evil.pth').write_text('import needed; needed.VALUE = 0\\n')",
    "adds a directory": "d.chmod(0o755); (d / 'evil').mkdir(); (d / 'evil' / 'x').touch();"
    " (d / 'worse').symlink_to('evil')",
    "puts another interpreter there": "b = f.parents[3] / 'bin'; b.chmod(0o755); (b / 'python').unlink();"
    " (b / 'python').symlink_to('/bin/false')",
}


@pytest.mark.parametrize("program", HOSTILE.values(), ids=list(HOSTILE))
def test_what_a_build_does_to_a_shared_environment_reaches_no_other(
    tmp_path: Path, options: VenvOptions, program: str
) -> None:
    make(tmp_path, options)
    before = seal.contents(bases(tmp_path)[0] / "venv")
    make(tmp_path, options, "b2", program=HERE + program)
    changed = seal.contents(bases(tmp_path)[0] / "venv")

    said, log = make(tmp_path, options, "b3")

    assert changed != before, "the program has done its worst"
    assert said == "right"
    assert "was changed since it was made, and is made again" in log or "what a build added" in log
    after = seal.contents(bases(tmp_path)[0] / "venv")
    assert after.keys() == before.keys()
    here = make(tmp_path, options, "b4")[1]
    assert "is here already" in here
    assert "changed" not in here


def test_builds_keep_the_environment_that_they_use_when_it_is_made_again(tmp_path: Path, options: VenvOptions) -> None:
    make(tmp_path, options)
    (first,) = bases(tmp_path)
    make(tmp_path, options, "b2", program=HERE + HOSTILE["replaces a module"])

    make(tmp_path, options, "b3")

    (second,) = bases(tmp_path)
    assert second != first
    assert (first / "venv").is_dir(), "b1 and b2 may be running in it"
    end(tmp_path, "b1")
    assert first.is_dir()
    end(tmp_path, "b2")
    assert not first.exists()


def test_pip_of_a_project_installs_for_its_build_alone(tmp_path: Path, options: VenvOptions) -> None:
    from uv import find_uv_bin

    wheel(tmp_path / "wheels", "other")
    install = (
        f"import subprocess; subprocess.run([{find_uv_bin()!r}, 'pip', 'install', '--offline', '--no-cache',"
        f" '--find-links', {str(tmp_path / 'wheels')!r}, 'other', 'needed'], check=True); print('done')"
    )

    said, _ = make(tmp_path, options, program=install)

    assert said == "done"
    said, log = make(tmp_path, options, "b2", program="import other")
    assert "No module named 'other'" in log
    assert "changed" not in log


def test_a_shared_environment_is_closed_to_writing(tmp_path: Path, options: VenvOptions) -> None:
    make(tmp_path, options)

    (base,) = bases(tmp_path)
    open_ones = [path for path in (base / "venv").rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o222]
    assert open_ones == []


def test_an_environment_comes_with_compiled_code(tmp_path: Path, options: VenvOptions) -> None:
    make(tmp_path, options)

    assert list(installed(tmp_path).parent.glob("__pycache__/needed.*.pyc"))


def test_files_are_shared_with_the_cache_and_a_changed_cache_is_not_believed(
    tmp_path: Path, options: VenvOptions
) -> None:
    make(tmp_path, options)
    assert installed(tmp_path).stat().st_nlink > 1, "a link, or nothing of this test applies"
    other = {"requirements.txt": "needed==1.0\n"}
    # The same file is in uv's cache, out of which the next environment is made.
    make(tmp_path, options, "b2", program=HERE + HOSTILE["writes into a module"])

    said, log = make(tmp_path, options, "b3", files=other)

    assert said == "right"
    assert "fetching anew needed" in log


def test_a_package_that_cannot_be_checked_is_not_shared_with_the_cache(tmp_path: Path, options: VenvOptions) -> None:
    wheel(tmp_path / "wheels", "needed", text="VALUE = 'right'\n", recorded=False)
    make(tmp_path, options, program=HERE + HOSTILE["writes into a module"])

    said, _ = make(tmp_path, options, "b2", files={"requirements.txt": "needed==1.0\n"})

    assert said == "right"


def test_a_list_of_files_that_cannot_be_read_is_no_reason_to_trust_an_environment(
    tmp_path: Path, options: VenvOptions
) -> None:
    make(tmp_path, options)
    (base,) = bases(tmp_path)
    (base / "OK").write_text("{")
    (base / "contents.json").write_text("[]")

    said, log = make(tmp_path, options, "b2")

    assert said == "right"
    assert "was changed since it was made" in log


def test_a_machine_that_was_started_again_looks_at_every_file_once(
    tmp_path: Path, options: VenvOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, options)
    looked: list[Path] = []
    contents = seal.contents
    monkeypatch.setattr(seal, "contents", lambda tree: looked.append(tree) or contents(tree))
    (tmp_path / "boot_id").write_text("another")
    monkeypatch.setattr(seal, "_BOOT_ID", tmp_path / "boot_id")

    make(tmp_path, options, "b2")
    make(tmp_path, options, "b3")

    assert looked == [bases(tmp_path)[0] / "venv"]


def numbered(tmp_path: Path, number: int) -> dict[str, str]:
    wheel(tmp_path / "wheels", "needed", f"{number}.0", text="VALUE = 1\n")
    return {"requirements.txt": f"needed=={number}.0\n"}


@pytest.mark.parametrize(
    "settings", [VenvSettings(keep=2), VenvSettings(max_size=Bytes(1)), VenvSettings(max_age=Seconds(0.0))]
)
def test_what_no_build_uses_is_kept_within_number_size_and_age(
    tmp_path: Path, options: VenvOptions, settings: VenvSettings
) -> None:
    for number in range(1, 5):
        make(tmp_path, options, f"b{number}", files=numbered(tmp_path, number), settings=settings)
    assert len(bases(tmp_path)) == 4, "all are in use"
    for number in (1, 2, 4):
        end(tmp_path, f"b{number}")

    make(tmp_path, options, "b5", files=numbered(tmp_path, 5), settings=settings)

    kept = {(base / "venv" / "packages.txt").read_text().strip() for base in bases(tmp_path)}
    assert kept >= {"needed==3.0", "needed==5.0"}, "b3 and b5 use them"
    assert len(kept) == 2
    (environments,) = tmp_path.rglob("state/**/environments")
    assert {path.stem for path in environments.glob("*.lock")} == {base.name.split(".")[0] for base in bases(tmp_path)}


def test_the_one_used_last_goes_last(tmp_path: Path, options: VenvOptions) -> None:
    settings = VenvSettings(keep=2)
    for number in range(1, 4):
        make(tmp_path, options, f"b{number}", files=numbered(tmp_path, number))
    make(tmp_path, options, "b4", files=numbered(tmp_path, 1))
    for number in range(1, 5):
        end(tmp_path, f"b{number}")

    make(tmp_path, options, "b5", files=numbered(tmp_path, 4), settings=settings)

    kept = {(base / "venv" / "packages.txt").read_text().strip() for base in bases(tmp_path)}
    assert kept == {"needed==1.0", "needed==4.0"}


def test_the_cache_is_emptied_when_it_outgrows_its_bound(tmp_path: Path, options: VenvOptions) -> None:
    _, log = make(tmp_path, options, settings=VenvSettings(max_cache=Bytes(1)))

    assert "uv's cache has grown beyond its bound" in log
    (state,) = (path.parent for path in tmp_path.rglob("state/**/environments"))
    assert not list((state / "cache").rglob("needed.py"))
    assert make(tmp_path, options, "b2")[0] == "right"


def test_a_cache_that_others_use_is_left_until_another_time(
    tmp_path: Path, options: VenvOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "CACHE_PATIENCE_S", 1)
    with make_build(tmp_path) as build:
        lock = build.state / "cache" / ".lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as other_uv:
        fcntl.flock(other_uv, fcntl.LOCK_SH)
        said, log = make(tmp_path, options, settings=VenvSettings(max_cache=Bytes(1)))

    assert said == "right"
    assert "that did not succeed, and is tried again" in log
    assert "is here already" in make(tmp_path, options, "b2")[1]


def test_an_environment_that_may_mean_something_else_tomorrow_ends_with_its_build(
    tmp_path: Path, options: VenvOptions
) -> None:
    shutil.copytree(tmp_path / "wheels", tmp_path / "workspace-b1-1" / "source" / "more")
    files = {"requirements.txt": "-f more\nneeded\n"}

    make(tmp_path, options, files=files)

    assert len(bases(tmp_path)) == 1
    end(tmp_path, "b1")
    assert bases(tmp_path) == []


def test_a_build_makes_several_environments_at_once(tmp_path: Path, options: VenvOptions) -> None:
    for number in range(1, 4):
        numbered(tmp_path, number)
    wanted = [1, 2, 3, 1, 2, 3]
    start = threading.Barrier(len(wanted))

    with make_build(tmp_path) as build:

        def one(place: int) -> Environment:
            workspace = evolve(build.workspace, root=build.workspace.root / "provisions" / str(place))
            workspace.source.mkdir(parents=True)
            workspace.temporary.mkdir()
            (workspace.source / "requirements.txt").write_text(f"needed=={wanted[place]}.0\n")
            start.wait()
            return plugin.thcore_environment(
                evolve(build, workspace=workspace), options, Checkout(workspace.source, "1" * 40)
            )

        with ThreadPoolExecutor(len(wanted)) as pool:
            made = list(pool.map(one, range(len(wanted))))

        assert [environment.description for environment in made] == [(f"needed=={number}.0",) for number in wanted]
        assert build.workspace.log.read_text().count("making the environment") == 3
        for environment in made:
            result = build.run(Command(("python", "-c", "import needed")), environment=environment)
            assert result.ok
    assert len(bases(tmp_path)) == 3


def test_wheels_in_a_directory_are_enough_without_a_registry(
    tmp_path: Path, options: VenvOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    files = {**project_files("product", text="from needed import VALUE\n", requires=["needed"]), **FILES}

    said, _ = make(tmp_path, options, files=files, program="import product; print(product.VALUE)")

    assert said == "right"


def test_a_disk_that_cannot_be_written_is_no_fault_of_the_change(tmp_path: Path, options: VenvOptions) -> None:
    from thcore.errors import InfrastructureError

    make(tmp_path, options)
    (environments,) = tmp_path.rglob("state/**/environments")
    shutil.rmtree(environments, onerror=lambda *_: None)
    seal.remove(environments)
    environments.write_text("")

    with pytest.raises(InfrastructureError) as raised:
        make(tmp_path, options, "b2")

    assert raised.value.code == "environment-not-made"
