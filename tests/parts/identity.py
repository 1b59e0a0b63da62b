"""A stand-in for the identity service (Keystone), version 2 and 3, in front of a real Swift.

It is no Keystone: it knows one user, one project and one application credential, and speaks of the API no more than
what signing in needs, in the form that its documentation gives. The token and the storage that it tells are those of
the real Swift, so that all that follows is real.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from attrs import define, field

from thcore.testing.swift import Swift

from parts.swift import token

USER, PASSWORD, PROJECT = "uploader", "open sesame", "ci"
CREDENTIAL, CREDENTIAL_SECRET = "0123abcd", "open barley"
EXPIRES = "2099-01-01T00:00:00.000000Z"


@define
class Identity:
    """The running service. ``asked`` are the bodies of the requests for a token, with the path of each."""

    swift: Swift
    versions: tuple[str, ...]
    port: int = 0
    asked: list[tuple[str, dict[str, Any]]] = field(factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def storage(self, region: str) -> str:
        return self.swift.storage_url if region == "north" else "http://127.0.0.1:9/v1/AUTH_elsewhere"

    def discovery(self) -> dict[str, Any]:
        links = {"v2.0": f"{self.url}/v2.0/", "v3": f"{self.url}/v3/"}
        values = [
            {"id": name if name == "v2.0" else "v3.14", "status": "stable", "links": [{"rel": "self", "href": link}]}
            for name, link in links.items()
            if name in self.versions
        ]
        return {"versions": {"values": values}}

    def v2(self, body: dict[str, Any]) -> dict[str, Any] | None:
        auth = body["auth"]
        if auth["passwordCredentials"] != {"username": USER, "password": PASSWORD} or auth["tenantName"] != PROJECT:
            return None
        endpoints = [{"region": region, "publicURL": self.storage(region)} for region in ("south", "north")]
        catalogue = [{"type": "object-store", "name": "swift", "endpoints": endpoints, "endpoints_links": []}]
        made = {"id": token(self.swift), "expires": EXPIRES, "tenant": {"id": "1", "name": PROJECT}}
        user = {"id": "2", "name": USER, "username": USER, "roles": [], "roles_links": []}
        return {"access": {"token": made, "user": user, "serviceCatalog": catalogue}}

    def v3(self, body: dict[str, Any]) -> dict[str, Any] | None:
        identity = body["auth"]["identity"]
        domain = {"name": "Default"}
        password = {"user": {"name": USER, "password": PASSWORD, "domain": domain}}
        scope = {"project": {"name": PROJECT, "domain": domain}}
        by_password = {"methods": ["password"], "password": password}
        application = {"id": CREDENTIAL, "secret": CREDENTIAL_SECRET}
        by_credential = {"methods": ["application_credential"], "application_credential": application}
        if identity != by_credential and (identity != by_password or body["auth"].get("scope") != scope):
            return None
        endpoints = [
            {"id": region, "interface": "public", "region": region, "region_id": region, "url": self.storage(region)}
            for region in ("south", "north")
        ]
        catalogue = [{"id": "3", "type": "object-store", "name": "swift", "endpoints": endpoints}]
        return {
            "token": {"methods": identity["methods"], "expires_at": EXPIRES, "issued_at": EXPIRES, "catalog": catalogue}
        }


@contextmanager
def identity(swift: Swift, *versions: str) -> Iterator[Identity]:
    """A running service that speaks these versions, ``v2.0`` and ``v3``."""
    service = Identity(swift, versions)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = next(
                (each for each in service.discovery()["versions"]["values"] if each["id"][:2] in self.path), None
            )
            if self.path == "/":
                self.answer(300, service.discovery())
            elif known is not None:
                self.answer(200, {"version": known})
            else:
                self.answer(404, {})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            service.asked.append((self.path, body))
            if self.path == "/v2.0/tokens" and "v2.0" in versions:
                told = service.v2(body)
                self.answer(200 if told else 401, told or {"error": {"code": 401, "message": "no"}})
            elif self.path == "/v3/auth/tokens" and "v3" in versions:
                told = service.v3(body)
                headers = {"X-Subject-Token": token(swift)} if told else {}
                self.answer(201 if told else 401, told or {"error": {"code": 401, "message": "no"}}, headers)
            else:
                self.answer(404, {})

        def answer(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
            sent = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
