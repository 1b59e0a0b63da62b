from __future__ import annotations

import contextlib
import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.errors import CancelledError, InfrastructureError
from thcore.pages import site
from thcore.pages.site import Site, SiteFile
from thplugins_publish_swift import content
from thplugins_publish_swift.content import Content

from parts import outcomes


@contextlib.contextmanager
def with_files(directory: Path, **files: bytes) -> Iterator[tuple[Site, dict[str, SiteFile]]]:
    for name, body in files.items():
        (directory / name.replace("_", ".")).write_bytes(body)
    with site.assembled(directory, outcomes.failing()) as assembled:
        yield assembled, {file.name: file for file in assembled.files}


def nothing() -> None:
    pass


@pytest.mark.parametrize(
    ("name", "body", "headers"),
    [
        (
            "console_txt_gz",
            gzip.compress(b"x", mtime=0),
            {"Content-Type": "text/plain; charset=utf-8", "Content-Encoding": "gzip"},
        ),
        (
            "steps_json_gz",
            gzip.compress(b"x", mtime=0),
            {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        ),
        ("console_log_gz", b"not compressed", {"Content-Type": "application/gzip"}),
        ("source_tar_gz", gzip.compress(b"x", mtime=0), {"Content-Type": "application/gzip"}),
        ("console_txt", b"x", {"Content-Type": "text/plain; charset=utf-8"}),
        ("core_bin", b"x", {"Content-Type": "application/octet-stream"}),
    ],
)
def test_a_browser_is_told_what_it_can_show(tmp_path: Path, name: str, body: bytes, headers: dict[str, str]) -> None:
    with with_files(tmp_path, **{name: body}) as (assembled, files):
        assert content.described(assembled, files[name.replace("_", ".")]) == headers


def test_a_part_of_a_file_is_read_and_no_more(tmp_path: Path) -> None:
    with with_files(tmp_path, a_txt=b"0123456789") as (assembled, files):
        part = Content(assembled, files["a.txt"], 3, 4)
        with part.opened(nothing) as body:
            assert body.read(100) == b"3456"
            assert not body.read(100)
            assert body.get_md5sum() == part.digest(nothing)


def test_a_file_that_grows_is_published_as_it_was_found(tmp_path: Path) -> None:
    with with_files(tmp_path, a_txt=b"found") as (assembled, files):
        (tmp_path / "a.txt").write_bytes(b"found, and more")
        with content.whole(assembled, files["a.txt"]).opened(nothing) as body:
            assert body.read(100) == b"found"


def test_a_file_that_has_become_shorter_or_is_gone_is_a_fault(tmp_path: Path) -> None:
    with with_files(tmp_path, a_txt=b"0123456789", b_txt=b"b") as (assembled, files):
        (tmp_path / "a.txt").write_bytes(b"01")
        (tmp_path / "b.txt").unlink()
        with content.whole(assembled, files["a.txt"]).opened(nothing) as body:
            assert body.read(5) == b"01"
            with pytest.raises(InfrastructureError, match=r"a\.txt became shorter while it was published"):
                body.read(5)
        with (
            pytest.raises(InfrastructureError, match=r"b\.txt cannot be read any more: No such file or directory"),
            content.whole(assembled, files["b.txt"]).opened(nothing),
        ):
            pass


def test_a_cancel_ends_reading(tmp_path: Path) -> None:
    def cancelled() -> None:
        raise CancelledError("enough")

    with with_files(tmp_path, a_txt=b"a") as (assembled, files):
        part = content.whole(assembled, files["a.txt"])
        with part.opened(cancelled) as body, pytest.raises(CancelledError):
            body.read(1)
        with pytest.raises(CancelledError):
            part.digest(cancelled)
