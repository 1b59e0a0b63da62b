"""A form with files (``multipart/form-data``), sent in a stream however large the files are."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence

from attrs import field, frozen
from urllib3.fields import RequestField

from thplugins_publish_swift.content import Content

_CHUNK = 64 * 1024


@frozen
class Part:
    """A file of a form: the name that it is given there, its headers, its content."""

    filename: str
    headers: Mapping[str, str]
    content: Content


@frozen
class Form:
    """A form, to be sent as the body of a request: it has a length, and can be read several times.

    Fields come before files; Swift ignores those that come after.
    """

    fields: Mapping[str, str]
    parts: Sequence[Part]
    check: Callable[[], None]
    _boundary: str = field(factory=lambda: secrets.token_hex(16))

    @property
    def content_type(self) -> str:
        """The content type of the request."""
        return f"multipart/form-data; boundary={self._boundary}"

    def __len__(self) -> int:
        """Bytes in all."""
        heads = sum(len(head) for head in (*self._fields(), *map(self._head, self.numbered()), self._end()))
        return heads + sum(part.content.size + 2 for part in self.parts)

    def __iter__(self) -> Iterator[bytes]:
        yield from self._fields()
        for number, part in self.numbered():
            yield self._head((number, part))
            with part.content.opened(self.check) as stream:
                left = part.content.size
                while left > 0:
                    chunk: bytes = stream.read(min(left, _CHUNK))
                    left -= len(chunk)
                    yield chunk
            yield b"\r\n"
        yield self._end()

    def numbered(self) -> Iterator[tuple[int, Part]]:
        """The files with their numbers, from 1."""
        return enumerate(self.parts, start=1)

    def _fields(self) -> Iterator[bytes]:
        for name, value in self.fields.items():
            made = RequestField(name, value)
            made.make_multipart()
            yield self._rendered(made) + value.encode() + b"\r\n"

    def _head(self, numbered: tuple[int, Part]) -> bytes:
        number, part = numbered
        made = RequestField(f"file{number}", b"", filename=part.filename)
        made.make_multipart(content_type=part.headers["Content-Type"])
        made.headers.update({name: value for name, value in part.headers.items() if name != "Content-Type"})
        return self._rendered(made)

    def _rendered(self, made: RequestField) -> bytes:
        return f"--{self._boundary}\r\n{made.render_headers()}".encode()

    def _end(self) -> bytes:
        return f"--{self._boundary}--\r\n".encode()
