"""A part of Swift's proxy that takes objects as their names say; loaded by Swift itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def factory(_configuration: dict[str, str], *, allowed: str, **_more: str) -> Callable[[Application], Application]:
    """Until there is a file ``allowed``, ``forbidden.txt`` is answered with 403; the first time, ``busy.txt`` with 503.
    Of ``bent.txt`` the first time another digest is told than that of what was stored."""
    seen: set[str] = set()

    def refusing(application: Application) -> Application:
        def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            path = environ["PATH_INFO"]
            name = path.rpartition("/")[2]
            if environ["REQUEST_METHOD"] != "PUT" or name not in {"forbidden.txt", "busy.txt", "bent.txt"}:
                return application(environ, start)
            again = path in seen
            seen.add(path)
            if name == "forbidden.txt" and not Path(allowed).exists():
                start("403 Forbidden", [("Content-Type", "text/plain"), ("Content-Length", "9")])
                return [b"not this\n"]
            if name == "busy.txt" and not again:
                start("503 Service Unavailable", [("Content-Length", "0")])
                return [b""]

            def bent(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
                told = [(key, "0" * 32 if key.lower() == "etag" else value) for key, value in headers]
                return start(status, told if name == "bent.txt" and not again else headers, *more)

            return application(environ, bent)

        return answer

    return refusing
