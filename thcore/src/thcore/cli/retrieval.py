"""Where a result is read from: a file, the directory or the page of a build, standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import SplitResult, quote, urlsplit
from urllib.request import url2pathname

import click

from thcore.cli.download import MissingError, download
from thcore.forms.legible import bounded
from thcore.model import Outcome
from thcore.model.document import from_json
from thcore.model.quantity import format_size

NAME = "result.json"
MOST = 64 * 1024 * 1024
"""Bytes of a result.json that are read."""
WITHIN_S = 30.0
"""Seconds that a server has to give it."""
_LONGEST_REASON = 1_000


def retrieved(place: str) -> Outcome:
    """The result that is meant by ``place``: a result.json, a directory that has one, the page of a build beside one,
    each as a path or an address (http, https, file), or ``-`` for standard input.

    Raises click.UsageError when there is none or it cannot be used, InfrastructureError (``result-unreachable``) when
    the server does not give it.
    """
    content = _content(place)
    if len(content) > MOST:
        raise click.UsageError(f"{place}: it is larger than {format_size(MOST)}, which no {NAME} is")
    try:
        return from_json(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise click.UsageError(f"{place}: not a {NAME}: it is no text in UTF-8") from None
    except ValueError as error:
        raise click.UsageError(f"{place}: {bounded(str(error), _LONGEST_REASON)}") from error


def _content(place: str) -> bytes:
    if place == "-":
        return sys.stdin.buffer.read(MOST + 1)
    try:
        address = urlsplit(place)
        name = address.hostname
    except ValueError as error:
        raise click.UsageError(f"{place!r} is no address: {error}") from error
    if address.scheme == "file":
        return _file(Path(url2pathname(address.path)), place)
    if address.scheme not in {"http", "https"}:
        if "://" in place:
            raise click.UsageError(f"{place}: only addresses of http and https are read")
        return _file(Path(place), place)
    if "@" in address.netloc:
        raise click.UsageError(
            f"an address of {name} with a password is not used, since others can see the command line; download the"
            f" {NAME} by other means, and show that"
        )
    url = _beside(address)
    try:
        return download(url, most=MOST, within_s=WITHIN_S)
    except MissingError:
        raise click.UsageError(f"{url} is not there; is {place} the page of a build?") from None


def _beside(address: SplitResult) -> str:
    """The address of the result.json that belongs to a page."""
    path = quote(address.path, safe="/%!$&'()*+,;=:@~")
    folder, _, last = path.rpartition("/")
    if last.endswith(".json"):
        return address._replace(path=path, fragment="").geturl()
    if last and not last.endswith((".html", ".htm", ".log", ".txt")):
        folder = path
    return address._replace(path=f"{folder}/{NAME}", query="", fragment="").geturl()


def _file(path: Path, place: str) -> bytes:
    try:
        if path.is_dir():
            path /= NAME
        elif path.suffix in {".html", ".htm"}:
            path = path.with_name(NAME)
        with path.open("rb") as file:
            return file.read(MOST + 1)
    except FileNotFoundError:
        raise click.UsageError(f"there is no {path}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise click.UsageError(f"{place}: {path} cannot be read: {reason}") from error
