"""The worker's status over HTTP: a WSGI application that answers from values and changes nothing.

It is served at ``web.listen`` and, always, at the Unix socket of the state directory.
"""

from __future__ import annotations

import http
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from attrs import frozen

from thcore.monitoring.action import event
from thcore.monitoring.metrics import Metrics
from thcore.monitoring.status import Status, to_json

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)

TEXT = "text/plain; charset=utf-8"
SECURITY = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)
"""Headers of every answer; the page brings a policy of its own, which lets it use what is in it."""


@frozen
class Answer:
    """What a request gets."""

    status: http.HTTPStatus
    content: bytes
    kind: str = TEXT
    headers: Mapping[str, str] = {}

    @classmethod
    def of(cls, status: http.HTTPStatus, *lines: str, headers: Mapping[str, str] = {}) -> Answer:
        """An answer in words."""
        return cls(status, "".join(f"{line}\n" for line in lines).encode("utf-8", "replace"), TEXT, headers)


class App:
    """The application. ``status`` and ``alive`` are called in threads of the server, once per request.

    ``alive`` must depend on nothing outside of the process: whoever restarts a worker because Gearman is down has two
    problems.
    """

    def __init__(self, status: Callable[[], Status], alive: Callable[[], bool], metrics: Metrics) -> None:
        self._status = status
        self._alive = alive
        self._metrics = metrics
        self._routes: Mapping[str, Callable[[WSGIEnvironment], Answer]] = {
            "/": self._page,
            "/live": self._live,
            "/ready": self._ready,
            "/metrics": self._scrape,
            "/status.json": self._json,
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Called by the server."""
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        answer = self._answer(method, path, environ)
        log.debug("%s %s %s: %d", environ.get("REMOTE_ADDR", ""), method, path, answer.status)
        headers = dict(SECURITY) | {"Content-Type": answer.kind, "Content-Length": str(len(answer.content))}
        start_response(f"{answer.status.value} {answer.status.phrase}", list((headers | dict(answer.headers)).items()))
        return [] if method == "HEAD" else [answer.content]

    def _answer(self, method: str, path: str, environ: WSGIEnvironment) -> Answer:
        route = self._routes.get(path)
        if route is None:
            return Answer.of(
                http.HTTPStatus.NOT_FOUND, f"There is nothing here; there is something at {', '.join(self._routes)}."
            )
        if method not in {"GET", "HEAD"}:
            return Answer.of(
                http.HTTPStatus.METHOD_NOT_ALLOWED,
                "The status can be read (GET, HEAD), not changed.",
                headers={"Allow": "GET, HEAD"},
            )
        try:
            return route(environ)
        except Exception:
            log.exception("%s cannot be answered", path, extra=event("web_failed"))
            return Answer.of(
                http.HTTPStatus.INTERNAL_SERVER_ERROR, "The status cannot be told; the worker's log says why."
            )

    def _live(self, _environ: WSGIEnvironment) -> Answer:
        if self._alive():
            return Answer.of(http.HTTPStatus.OK, "alive")
        return Answer.of(http.HTTPStatus.SERVICE_UNAVAILABLE, "the worker's main loop stands still")

    def _ready(self, _environ: WSGIEnvironment) -> Answer:
        reasons = self._status().not_ready
        if reasons:
            return Answer.of(http.HTTPStatus.SERVICE_UNAVAILABLE, *(" ".join(reason.split()) for reason in reasons))
        return Answer.of(http.HTTPStatus.OK, "ready")

    def _scrape(self, environ: WSGIEnvironment) -> Answer:
        kind, content = self._metrics.scrape(environ.get("HTTP_ACCEPT", ""))
        return Answer(http.HTTPStatus.OK, content, kind)

    def _json(self, _environ: WSGIEnvironment) -> Answer:
        return Answer(http.HTTPStatus.OK, f"{to_json(self._status())}\n".encode(), "application/json")

    def _page(self, _environ: WSGIEnvironment) -> Answer:
        from thcore.monitoring import page  # Jinja2 is loaded for the first who asks: most workers are never looked at

        status = self._status()
        shown = page.render(status)
        return Answer(
            http.HTTPStatus.OK,
            shown.html.encode("utf-8", "replace"),
            "text/html; charset=utf-8",
            {"Content-Security-Policy": shown.policy},
        )
