"""A document from a web server that is not trusted: bounded in size and time, and told nothing."""

from __future__ import annotations

import queue
import threading
import time
import urllib.error
import urllib.request
import zlib
from http.client import HTTPException, HTTPResponse

from thcore import __version__
from thcore.errors import InfrastructureError

_PIECE = 65536
_GZIP = 16 + zlib.MAX_WBITS


class MissingError(Exception):
    """The server answers, and has nothing there."""


def download(url: str, *, most: int, within_s: float) -> bytes:
    """The document at an http or https address: no more than ``most`` bytes, within ``within_s`` seconds in all.

    No cookies, passwords or keys are sent, and redirections lead to http and https only. Raises MissingError when the
    server has no such document, InfrastructureError (``result-unreachable``) for everything else that goes wrong.
    """
    answers: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()
    # A thread of its own: a server that sends one byte after the other keeps below every limit of a single read.
    threading.Thread(target=_answer, args=(url, most, within_s, answers), daemon=True).start()
    try:
        answer = answers.get(timeout=within_s)
    except queue.Empty:
        raise _unreachable(url, f"it has not come within {within_s:.0f} s") from None
    if isinstance(answer, bytes):
        return answer
    raise answer


def _answer(url: str, most: int, within_s: float, answers: queue.SimpleQueue[bytes | Exception]) -> None:
    request = urllib.request.Request(  # noqa: S310 - the opener knows no other schemes
        url, headers={"User-Agent": f"thcore/{__version__}", "Accept-Encoding": "gzip"}
    )
    try:
        with _opener().open(request, timeout=within_s) as response:
            compressed = response.headers.get("Content-Encoding", "").strip().lower() in {"gzip", "x-gzip"}
            answers.put(_read(response, most, time.monotonic() + within_s, compressed=compressed))
    except urllib.error.HTTPError as error:
        error.close()
        answers.put(_refused(url, error))
    except urllib.error.URLError as error:
        answers.put(_unreachable(url, str(error.reason)))
    except (OSError, HTTPException, ValueError, zlib.error) as error:
        answers.put(_unreachable(url, str(error) or type(error).__name__))


def _refused(url: str, error: urllib.error.HTTPError) -> Exception:
    if error.code in {404, 410}:
        return MissingError(url)
    login = "; thcore logs in nowhere: download it, and show the file" if error.code in {401, 403, 407} else ""
    return _unreachable(url, f"the server answers {error.code} {error.reason}{login}")


def _opener() -> urllib.request.OpenerDirector:
    """One that knows http and https only, and a proxy where the environment names one: that of urllib opens files."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _read(source: HTTPResponse, most: int, deadline: float, *, compressed: bool) -> bytes:
    unpacking = zlib.decompressobj(_GZIP) if compressed else None
    content = bytearray()
    while piece := source.read1(_PIECE):
        content += unpacking.decompress(piece, most + 1 - len(content)) if unpacking else piece
        if len(content) > most:
            raise ValueError(f"it is larger than {most} bytes")
        if time.monotonic() > deadline:
            raise ValueError("it comes too slowly")
    if unpacking is not None and not unpacking.eof:
        raise ValueError("it ends before its end")
    return bytes(content)


def _unreachable(url: str, why: str) -> InfrastructureError:
    return InfrastructureError(f"{url} cannot be read: {why}", code="result-unreachable")
