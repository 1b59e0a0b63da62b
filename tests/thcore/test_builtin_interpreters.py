from __future__ import annotations

import pwd
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.builtin import interpreters
from thcore.builtin.uv_process import Uv
from thcore.errors import InfrastructureError
from thcore.testing import make_build


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Uv]:
    monkeypatch.delenv("UV_CACHE_DIR", raising=False)
    with make_build(tmp_path) as build:
        yield Uv(build, tmp_path / "cache")


def own() -> Path:
    """The interpreter below the virtual environment of the tests."""
    return Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"


def test_the_workers_own_is_taken_without_a_wish(uv: Uv, tmp_path: Path) -> None:
    found = interpreters.find(uv, None, (), cwd=tmp_path)

    assert found.path == Path(sys.executable)
    assert found.version == f"CPython {sys.version.split()[0]}"


@pytest.mark.parametrize("wanted", ["3.{}", ">=3.{}", "cpython3.{}"])
def test_one_is_found_by_its_version_in_a_place_that_is_not_on_the_path(
    uv: Uv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    (tmp_path / "versions" / "one" / "bin").mkdir(parents=True)
    (tmp_path / "versions" / "one" / "bin" / "python3").symlink_to(own())

    found = interpreters.find(uv, wanted.format(sys.version_info.minor), (f"{tmp_path}/versions/*/bin",), cwd=tmp_path)

    assert found.path.resolve() == own().resolve()
    assert found.version == f"CPython {sys.version.split()[0]}"


def test_an_account_without_a_home_has_no_interpreters_there(
    uv: Uv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(_number: int) -> None:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)

    found = interpreters.find(uv, str(own()), interpreters.PLACES, cwd=tmp_path)

    assert found.path.resolve() == own().resolve()


def test_one_is_found_by_its_path(uv: Uv, tmp_path: Path) -> None:
    assert interpreters.find(uv, str(own()), (), cwd=tmp_path).path.resolve() == own().resolve()


def test_that_of_a_virtual_environment_is_not_taken_for_a_version(
    uv: Uv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))

    found = interpreters.find(uv, f"3.{sys.version_info.minor}", (str(own().parent),), cwd=tmp_path)

    assert found.path.parent == own().parent


@pytest.mark.parametrize("wanted", ["3.99", "2.7", "/nowhere/python", "pypy3.1"])
def test_one_that_is_not_there_is_told_with_those_that_are(uv: Uv, tmp_path: Path, wanted: str) -> None:
    with pytest.raises(InfrastructureError) as raised:
        interpreters.find(uv, wanted, (str(own().parent),), cwd=tmp_path)

    assert raised.value.code == "python-missing"
    assert f"there is no Python {wanted} here; found are" in str(raised.value)
    assert f"CPython {sys.version.split()[0]}" in str(raised.value)


def test_a_machine_without_any_is_told(uv: Uv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "none"))

    with pytest.raises(InfrastructureError, match="none was found at all"):
        interpreters.find(uv, "3.99", (), cwd=tmp_path)
