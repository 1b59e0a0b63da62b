"""A file on its way: read in a stream, with its digest, and what a browser is told of it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from attrs import define, frozen
from swiftclient.utils import LengthWrapper

from thcore.pages.site import Site, SiteFile, content_type
from thplugins_publish_swift.failure import failure

_CHUNK = 1024 * 1024
_GZIP = b"\x1f\x8b"
_SHOWN = ("text/", "application/json", "application/xml", "image/svg+xml")


@frozen
class Content:
    """Bytes of a file of the site: ``size`` of them from ``start`` on."""

    site: Site
    file: SiteFile
    start: int
    size: int

    @contextlib.contextmanager
    def opened(self, check: Callable[[], None]) -> Iterator[LengthWrapper]:
        """The bytes as swiftclient sends them. Reading raises InfrastructureError when the file has become shorter, and
        what ``check`` raises."""
        with self._stream() as stream:
            yield LengthWrapper(_Watched(stream, self.file.name, check), self.size, md5=True)

    def digest(self, check: Callable[[], None]) -> str:
        """MD5 of the bytes, as Swift has it of an object."""
        digest = hashlib.md5(usedforsecurity=False)
        with self._stream() as stream:
            watched, left = _Watched(stream, self.file.name, check), self.size
            while left > 0:
                chunk = watched.read(min(left, _CHUNK))
                digest.update(chunk)
                left -= len(chunk)
        return digest.hexdigest()

    @contextlib.contextmanager
    def _stream(self) -> Iterator[BinaryIO]:
        with contextlib.ExitStack() as stack:
            try:
                stream = stack.enter_context(self.site.open(self.file))
                stream.seek(self.start)
            except OSError as error:
                raise _unreadable(self.file.name, error) from error
            yield stream


def whole(site: Site, file: SiteFile) -> Content:
    """All of a file."""
    return Content(site, file, 0, file.size)


def described(site: Site, file: SiteFile) -> Mapping[str, str]:
    """Content type and encoding of a file, so that a browser shows text, compressed text included."""
    inner, dot, suffix = file.name.rpartition(".")
    if dot and suffix.lower() == "gz":
        kind = content_type(inner)
        if kind.startswith(_SHOWN) and _begins(site, file, _GZIP):
            return {"Content-Type": kind, "Content-Encoding": "gzip"}
        return {"Content-Type": "application/gzip"}
    return {"Content-Type": file.content_type}


@define
class _Watched:
    """A stream that has all it was said to have, or raises."""

    stream: BinaryIO
    name: str
    check: Callable[[], None]

    def read(self, size: int) -> bytes:
        self.check()
        try:
            chunk = self.stream.read(size)
        except OSError as error:
            raise _unreadable(self.name, error) from error
        if not chunk:
            raise failure(f"{self.name} became shorter while it was published")
        return chunk


def _begins(site: Site, file: SiteFile, mark: bytes) -> bool:
    try:
        with site.open(file) as stream:
            return stream.read(len(mark)) == mark
    except OSError as error:
        raise _unreadable(file.name, error) from error


def _unreadable(name: str, error: OSError) -> Exception:
    return failure(f"{name} cannot be read any more: {error.strerror or error}")
