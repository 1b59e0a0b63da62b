"""Opening a seed: plain, gzip or zstd, told by its first bytes and not by its name."""

from __future__ import annotations

import contextlib
import gzip
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import zstandard

from thcore.errors import InfrastructureError
from thcore.hooks import Build

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
LARGEST_WINDOW = 128 * 1024 * 1024
"""Bytes of memory that a zstd archive may ask for; that of `zstd` itself without --long."""
PIECE = 4 * 1024
"""Bytes read at once. Small, because a piece of an archive may unpack to ten thousand times its size."""
CHECK_EVERY = 256
"""Pieces after which the build is asked whether it was told to end."""


@contextlib.contextmanager
def open_seed(build: Build, seed: Path) -> Iterator[Path]:
    """The path of the seed's plain text: the seed itself, or a copy below the build's temporary directory that is
    removed afterwards. Raises InfrastructureError (``seed-broken``) when the seed cannot be read or unpacked."""
    with contextlib.ExitStack() as stack:
        try:
            plain = _plain(build, seed, stack)
        except (zlib.error, gzip.BadGzipFile, zstandard.ZstdError, EOFError) as error:
            raise InfrastructureError(f"{seed}: the archive is broken: {error}", code="seed-broken") from error
        except OSError as error:
            raise InfrastructureError(
                f"{seed}: cannot be unpacked: {error.strerror or error}", code="seed-broken"
            ) from error
        yield plain


def _plain(build: Build, seed: Path, stack: contextlib.ExitStack) -> Path:
    source = stack.enter_context(seed.open("rb"))
    start = source.read(4)
    source.seek(0)
    if not start.startswith((GZIP, ZSTD)):
        return seed
    directory = stack.enter_context(tempfile.TemporaryDirectory(dir=build.workspace.temporary, prefix="seed-"))
    target = Path(directory) / seed.name.removesuffix(".gz").removesuffix(".zst")
    pieces = _gunzip(source) if start.startswith(GZIP) else _unzstd(source)
    with target.open("wb") as stream:
        for number, piece in enumerate(pieces):
            if number % CHECK_EVERY == 0:
                build.check()
            stream.write(piece)
    return target


def _gunzip(source: IO[bytes]) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=source) as archive:
        while piece := archive.read(16 * PIECE):
            yield piece


def _unzstd(source: IO[bytes]) -> Iterator[bytes]:
    made = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW)
    unpacker = made.decompressobj()
    ended = False
    while data := source.read(PIECE):
        while data:
            if ended:
                unpacker = made.decompressobj()
            yield unpacker.decompress(data)
            ended = unpacker.eof
            data = unpacker.unused_data if ended else b""
    if not ended:
        raise EOFError("it ends too early")
