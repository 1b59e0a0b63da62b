"""The page that a log is read on: time, source and severity of each line, links, filters, search, folded noise.

It is one file that needs nothing else and asks for nothing: the log is in it, compressed, and a script of ours shows
what is in view. The script is built from ``thcore/viewer`` in the repository by ``make viewer``.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.resources
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import BinaryIO

from attrs import frozen
from markupsafe import Markup, escape

from thcore.model import Severity
from thcore.pages import html
from thcore.pages.text import href, shortened, visible

SUFFIX = ".html"
"""A log's page stands beside it, under its name with this behind it."""

WHOLE = 256_000_000
"""Bytes of log that a browser can hold. Of a larger one the page has a quarter of that from the start, and half of it
from the end."""

_PLAIN = 200_000  # bytes up to which the lines are also there for a browser without scripts
_MARKS = 500
_MESSAGE = 500
_CHUNK = 3 << 18  # divisible by three: whole groups of base64
_PACKED = "@packed@"


@frozen
class Mark:
    """A finding that points at a line of the log, counted from 1."""

    line: int
    code: str
    severity: Severity
    message: str


@frozen
class Gap:
    """``count`` lines from number ``first`` on are not in the page."""

    first: int
    count: int


def page_name(log: str) -> str:
    """The name of the page of a log."""
    return log + SUFFIX


def anchor(first: int, last: int | None = None) -> str:
    """What follows the page's name in a link to a line, or to a range of them."""
    return f"#L{first}" if last is None or last == first else f"#L{first}-L{last}"


def write(log: BinaryIO, name: str, marks: Sequence[Mark], out: BinaryIO, size: int | None = None) -> None:
    """Write the page of a log to ``out``. Memory does not grow with the log.

    ``name`` is the log's path in the site. No more than ``size`` bytes are read: something may still write to the log.
    Raises OSError when it cannot be read.
    """
    total = log.seek(0, io.SEEK_END) if size is None else size
    log.seek(0)
    if total <= WHOLE:
        lines = _lines(log.read(total)) if total <= _PLAIN else None
        log.seek(0)
        before, after = _page(name, marks, lines, None)
        out.write(before)
        _pack(_read(log, total), out)
    else:
        gap, pieces = _ends(log, total)
        before, after = _page(name, marks, None, gap)
        out.write(before)
        _pack(pieces, out)
    out.write(after)


def following(name: str, directory: str) -> bytes:
    """The page of the log of a build that runs. It reads ``state.json`` and the pieces of the log that
    ``thcore.pages.live`` describes, from ``directory`` as it is seen from the page, and is replaced by the log's own
    page in the end."""
    before, after = _page(name, (), None, None, directory.rstrip("/") + "/")
    return before + after


def _page(
    name: str, marks: Sequence[Mark], lines: Sequence[str] | None, gap: Gap | None, follow: str = ""
) -> tuple[bytes, bytes]:
    """The page up to the packed log, and from there on."""
    path = PurePosixPath(name)
    script = _static("viewer.js")
    page = html.viewer_page(
        name=name,
        plain_text=href(path.name),
        result_page="../" * (len(path.parts) - 1) + html.INDEX,
        lines=lines,
        follow=follow,
        about=Markup(_about(marks, gap)),  # noqa: S704 - JSON without any character that HTML knows
        packed=_PACKED,
        style=Markup(_static("viewer.css")),  # noqa: S704 - ours
        script=Markup(script),  # noqa: S704 - ours
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        licences=escape(_static("viewer.licenses.txt")),
    )
    before, _, after = page.rpartition(f'id="packed">{_PACKED}'.encode())
    return before + b'id="packed">', after


def _about(marks: Sequence[Mark], gap: Gap | None) -> str:
    told = {
        "marks": [
            {
                "line": mark.line,
                "code": visible(mark.code),
                "severity": mark.severity.value,
                "message": visible(shortened(mark.message, _MESSAGE)),
            }
            for mark in marks[:_MARKS]
        ],
        "gap": None if gap is None else {"first": gap.first, "count": gap.count},
    }
    text = json.dumps(told)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _lines(data: bytes) -> Sequence[str]:
    return data.decode("utf-8", "replace").removesuffix("\n").split("\n")


def _pack(pieces: Iterator[bytes], out: BinaryIO) -> None:
    """Write gzip in base64. The fastest level: reading and opening the page takes longer than sending it."""
    packer = zlib.compressobj(1, wbits=31)
    kept = bytearray()
    for piece in pieces:
        kept += packer.compress(piece)
        whole = len(kept) - len(kept) % 3
        out.write(base64.b64encode(kept[:whole]))
        del kept[:whole]
    out.write(base64.b64encode(bytes(kept) + packer.flush()))


def _read(log: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0 and (data := log.read(min(_CHUNK, size))):
        size -= len(data)
        yield data


def _ends(log: BinaryIO, total: int) -> tuple[Gap, Iterator[bytes]]:
    """The start and the end of a log at the ends of lines, and what is missing between them."""
    log.seek(WHOLE // 4)
    start = WHOLE // 4 + len(log.readline(WHOLE // 8))
    log.seek(total - WHOLE // 2)
    end = total - WHOLE // 2 + len(log.readline(WHOLE // 8))
    log.seek(0)
    first = sum(data.count(b"\n") for data in _read(log, start)) + 1
    gap = Gap(first, sum(data.count(b"\n") for data in _read(log, end - start)))

    def pieces() -> Iterator[bytes]:
        log.seek(0)
        yield from _read(log, start)
        size = f"{gap.count:,} lines ({(end - start) / 1e6:,.0f} MB) are not in this page; the plain text has them\n"
        yield size.encode()
        log.seek(end)
        yield from _read(log, total - end)

    return gap, pieces()


@functools.cache
def _static(name: str) -> str:
    return (importlib.resources.files(__package__) / "static" / name).read_text("utf-8")
