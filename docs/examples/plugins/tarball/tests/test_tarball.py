from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from thcore.errors import ChangeError, InfrastructureError
from thcore.model import Change, ChangeKind
from thcore.testing import make_build
from thcore.testing.contract import CheckoutContract

from thplugins_example_tarball.plugin import TarballOptions
from thplugins_example_tarball.plugin import plugin as tarball

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REF = "refs/changes/45/12345/2"
CHANGE = Change("example/project", ChangeKind.CHANGE, "main", REF, COMMIT)


def write(path: Path, files: Mapping[str, str], *, comment: str = COMMIT) -> Path:
    """An archive with the comment that ``git archive`` writes; answers the directory of all of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz", pax_headers={"comment": comment}) as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write(tmp_path / "tarballs/example/project" / f"{REF}.tar.gz", {"new.txt": "new\n", "deep/er.txt": "deeper\n"})
    return tmp_path / "tarballs"


class TestTarball(CheckoutContract):
    plugin = tarball
    change = CHANGE

    @pytest.fixture
    def options(self, directory: Path) -> Mapping[str, Any]:
        return {"directory": str(directory)}


def test_a_branch_is_an_archive_of_its_name(tmp_path: Path, directory: Path) -> None:
    write(directory / "example" / "project" / "stable" / "2.0.tar.gz", {"old.txt": "old\n"})
    branch = Change("example/project", ChangeKind.BRANCH, "stable/2.0")

    with make_build(tmp_path, change=branch) as build:
        checkout = tarball.thcore_checkout(build, TarballOptions(directory))

        assert checkout.commit == COMMIT
        assert [path.name for path in checkout.path.iterdir()] == ["old.txt"]


@pytest.mark.parametrize("name", ["../escape.txt", "deep/../../escape.txt"])
def test_a_file_that_leads_out_of_the_checkout_is_the_changes_fault(tmp_path: Path, name: str) -> None:
    write(tmp_path / "tarballs/example/project" / f"{REF}.tar.gz", {name: "escaped\n"})

    with make_build(tmp_path, change=CHANGE) as build, pytest.raises(ChangeError, match="cannot be unpacked"):
        tarball.thcore_checkout(build, TarballOptions(tmp_path / "tarballs"))

    assert not list(tmp_path.rglob("escape.txt"))


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00"])
def test_an_archive_that_is_damaged_is_not_the_changes_fault(tmp_path: Path, directory: Path, content: bytes) -> None:
    (directory / "example" / "project" / f"{REF}.tar.gz").write_bytes(content)

    with make_build(tmp_path, change=CHANGE) as build, pytest.raises(InfrastructureError, match="cannot be read"):
        tarball.thcore_checkout(build, TarballOptions(directory))


def test_an_archive_that_does_not_tell_its_commit_is_refused(tmp_path: Path, directory: Path) -> None:
    write(directory / "example" / "project" / f"{REF}.tar.gz", {"new.txt": "new\n"}, comment="by hand")

    with make_build(tmp_path, change=CHANGE) as build, pytest.raises(InfrastructureError, match="git archive"):
        tarball.thcore_checkout(build, TarballOptions(directory))
