"""Opening seeds: plain, gzip, zstd, and broken ones."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from thcore.errors import CancelledError, InfrastructureError
from thcore.hooks import Build
from thcore.process.interrupt import Interrupt
from thcore.testing import make_build
from thplugins_dbmigration.seeds import open_seed

TEXT = b"INSERT INTO things VALUES ('something');\n" * 5000


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def zstd_stream(data: bytes) -> bytes:
    target = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(target, closefd=False) as stream:
        stream.write(data)
    return target.getvalue()


PACKERS = [gzip.compress, zstd, zstd_stream]


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    with make_build(tmp_path) as made:
        yield made


def test_a_plain_seed_is_used_where_it_is(build: Build, tmp_path: Path) -> None:
    seed = tmp_path / "seed.sql"
    seed.write_bytes(TEXT)
    with open_seed(build, seed) as plain:
        assert plain == seed


@pytest.mark.parametrize("pack", PACKERS)
@pytest.mark.parametrize("name", ["seed.sql.gz", "seed.sql", "seed"])
def test_archives_are_told_by_their_first_bytes(
    pack: Callable[[bytes], bytes], name: str, build: Build, tmp_path: Path
) -> None:
    seed = tmp_path / name
    seed.write_bytes(pack(TEXT) + pack(b"SELECT 1;\n"))
    with open_seed(build, seed) as plain:
        assert plain.read_bytes() == TEXT + b"SELECT 1;\n"
        assert plain.is_relative_to(build.workspace.temporary)
        assert plain.name == name.removesuffix(".gz")
    assert not plain.exists()


@pytest.mark.parametrize("pack", PACKERS)
@pytest.mark.parametrize("damage", ["short", "shorter", "changed", "followed"])
def test_a_broken_archive_is_no_fault_of_the_change(
    pack: Callable[[bytes], bytes], damage: str, build: Build, tmp_path: Path
) -> None:
    data = bytearray(pack(TEXT * 20))
    if damage.startswith("short"):
        del data[-1 if damage == "short" else len(data) // 2 :]
    elif damage == "changed":
        data[len(data) // 2] ^= 0xFF
        data[-1] ^= 0xFF
        data[5] ^= 0xFF
    else:
        data += b"something else"
    seed = tmp_path / "seed.sql.gz"
    seed.write_bytes(data)
    with (
        pytest.raises(InfrastructureError, match=r"seed\.sql\.gz: the archive is broken") as caught,
        open_seed(build, seed),
    ):
        pytest.fail("it must not be opened")
    assert caught.value.code == "seed-broken"
    assert list(build.workspace.temporary.glob("seed-*")) == []


def test_a_seed_that_is_gone_is_an_infrastructure_error(build: Build, tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="No such file") as caught, open_seed(build, tmp_path / "nix.sql"):
        pytest.fail("it must not be opened")
    assert caught.value.code == "seed-broken"


@pytest.mark.parametrize("pack", PACKERS)
def test_unpacking_ends_with_the_build(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    with Interrupt() as interrupt, make_build(tmp_path, interrupt=interrupt) as build:
        seed = tmp_path / "seed.sql.gz"
        seed.write_bytes(pack(TEXT))
        interrupt.cancel("enough")
        with pytest.raises(CancelledError), open_seed(build, seed):
            pytest.fail("it must not be opened")
