"""A container of a real Swift, looked at from outside, and what Zuul would say of it."""

from __future__ import annotations

import hashlib
import hmac
import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import requests
from attrs import frozen

from thcore.testing.swift import Swift

KEY = "the key that Zuul signs with"


@frozen
class Container:
    """A container of its own for one test."""

    server: Swift
    name: str

    @property
    def url(self) -> str:
        return f"{self.server.storage_url}/{self.name}"

    def options(self, **more: Any) -> Mapping[str, Any]:
        """What a job says to publish here with the account."""
        user = self.server.user
        account = {"auth_url": self.server.auth_url, "user": user.name, "password": user.password}
        return {**account, "container": self.name, "create_container": True, **more}

    def ask(self, method: str, name: str = "", **more: Any) -> requests.Response:
        """A request of the account's administrator."""
        url = f"{self.url}/{quote(name)}" if name else self.url
        headers = {"X-Auth-Token": token(self.server), **more.pop("headers", {})}
        return requests.request(method, url, headers=headers, timeout=30, **more)

    def make(self, **headers: str) -> None:
        sent = {"X-Auth-Token": token(self.server), **{name.replace("_", "-"): text for name, text in headers.items()}}
        requests.put(self.url, headers=sent, timeout=30).raise_for_status()

    def get(self, name: str) -> bytes | None:
        """An object's content, not decoded; None when there is none of that name."""
        answer = self.ask("GET", name, stream=True)
        with answer:
            if answer.status_code == 404:
                return None
            answer.raise_for_status()
            content: bytes = answer.raw.read(decode_content=False)
            return content

    def names(self, prefix: str = "", container: str | None = None) -> list[str]:
        """Names of all objects, as they are listed."""
        url = self.url if container is None else f"{self.server.storage_url}/{container}"
        found: list[str] = []
        while True:
            marker = {"marker": found[-1]} if found else {}
            query = {"format": "json", "prefix": prefix, **marker}
            answer = requests.get(url, params=query, headers={"X-Auth-Token": token(self.server)}, timeout=30)
            entries = answer.json() if answer.status_code == 200 else []
            if not entries:
                return found
            found += [entry["name"] for entry in entries]

    def instructions(
        self,
        log_path: str,
        *,
        name: str = "logs",
        size: int = 104857600,
        count: int = 10,
        lasts_s: float = 7200,
        digest: str = "sha1",
        key: str = KEY,
        logserver: str | None = None,
    ) -> dict[str, str]:
        """The parameters that Zuul sends with a build, signed as Zuul 2 signs them."""
        path = f"/v1/AUTH_test/{self.name}/{log_path}"
        body = f"{path}\n\n{size}\n{count}\n{int(time.time() + lasts_s)}"
        told = {
            f"SWIFT_{name}_URL": f"{self.server.url}{path}",
            f"SWIFT_{name}_HMAC_BODY": body,
            f"SWIFT_{name}_SIGNATURE": hmac.new(key.encode(), body.encode(), getattr(hashlib, digest)).hexdigest(),
        }
        return told | ({} if logserver is None else {f"SWIFT_{name}_LOGSERVER_PREFIX": logserver})


def container(server: Swift) -> Container:
    """A container that nobody else has; it is not made yet."""
    return Container(server, f"logs-{uuid.uuid4().hex[:8]}")


def token(server: Swift) -> str:
    user = server.user
    headers = {"X-Auth-User": user.name, "X-Auth-Key": user.password}
    return str(requests.get(server.auth_url, headers=headers, timeout=30).headers["X-Auth-Token"])
