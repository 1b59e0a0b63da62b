"""A Swift account as several threads use it at once: signed in, with a connection each, every answer checked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from attrs import frozen
from swiftclient import client
from swiftclient.exceptions import ClientException

from thplugins_publish_swift.authentication import Access, sign_in
from thplugins_publish_swift.content import Content
from thplugins_publish_swift.options import PublishSwiftOptions
from thplugins_publish_swift.patience import Patience

T = TypeVar("T")
_Connection = tuple[Any, client.HTTPConnection]
_Request = Callable[[Access, _Connection], T]


@frozen
class Listed:
    """An object as its container lists it. ``digest`` is the MD5 of its content, except for a manifest."""

    name: str
    size: int
    digest: str
    content_type: str


class Store:
    """The account. Every method raises InfrastructureError with what was done to what, and why it failed."""

    def __init__(self, options: PublishSwiftOptions, patience: Patience) -> None:
        self._options = options
        self.patience = patience
        self._lock = threading.Lock()
        self._access: Access | None = None
        self._own = threading.local()
        self._connections: list[client.HTTPConnection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            connection.close()

    @property
    def url(self) -> str:
        """Address of the account's storage."""
        return self.patience.persist(f"sign in at {self._options.auth_url}", self._signed_in).url

    def headers(self, container: str) -> Mapping[str, str] | None:
        """What is known of a container; None when there is none of that name."""

        def head(access: Access, connection: _Connection) -> Mapping[str, str]:
            headers: Mapping[str, str] = client.head_container(
                access.url, access.token, container, http_conn=connection
            )
            return headers

        return self._found(f"look at the container {container}", head)

    def make(self, container: str, headers: Mapping[str, str]) -> None:
        """Make a container, or give one that is there these headers."""

        def put(access: Access, connection: _Connection) -> None:
            client.put_container(access.url, access.token, container, headers=dict(headers), http_conn=connection)

        self._done(f"make the container {container}", put)

    def listing(self, container: str, prefix: str) -> Mapping[str, Listed]:
        """All objects whose names begin so, by name; none when there is no such container."""

        def get(access: Access, connection: _Connection) -> list[Mapping[str, Any]]:
            _, found = client.get_container(
                access.url, access.token, container, prefix=prefix, full_listing=True, http_conn=connection
            )
            return list(found)

        entries = self._found(f"list {container}/{prefix}", get) or []
        return {
            str(entry["name"]): Listed(
                str(entry["name"]), int(entry["bytes"]), str(entry["hash"]), str(entry["content_type"])
            )
            for entry in entries
        }

    def read(self, container: str, name: str) -> bytes | None:
        """A small object; None when there is none of that name."""

        def get(access: Access, connection: _Connection) -> bytes:
            _, body = client.get_object(access.url, access.token, container, name, http_conn=connection)
            return bytes(body)

        return self._found(f"read {container}/{name}", get)

    def has(self, container: str, name: str) -> bool:
        """Whether there is an object of that name."""

        def head(access: Access, connection: _Connection) -> bool:
            client.head_object(access.url, access.token, container, name, http_conn=connection)
            return True

        return self._found(f"look at {container}/{name}", head) is not None

    def put(self, container: str, name: str, content: Content, headers: Mapping[str, str]) -> str:
        """Store an object; answers its digest. Swift has what was sent: the digests are compared."""

        def send(access: Access, connection: _Connection) -> str:
            with content.opened(self.patience.go_on) as body:
                stored: str = client.put_object(
                    access.url,
                    access.token,
                    container,
                    name,
                    contents=body,
                    content_length=content.size,
                    headers=headers,
                    http_conn=connection,
                )
                sent = body.get_md5sum()
            if stored != sent:
                raise OSError("what was stored is not what was sent")
            return stored

        return self._done(f"store {container}/{name}", send)

    def put_made(
        self, container: str, name: str, body: bytes, headers: Mapping[str, str], query: str | None = None
    ) -> None:
        """Store a small object, or a manifest when ``query`` says so."""

        def send(access: Access, connection: _Connection) -> None:
            client.put_object(
                access.url,
                access.token,
                container,
                name,
                contents=body,
                content_length=len(body),
                headers=headers,
                http_conn=connection,
                query_string=query,
            )

        self._done(f"store {container}/{name}", send)

    def delete(self, container: str, name: str) -> None:
        """Remove an object, if it is there. Of a file in segments, the manifest only."""

        def remove(access: Access, connection: _Connection) -> bool:
            client.delete_object(access.url, access.token, container, name, http_conn=connection)
            return True

        self._found(f"remove {container}/{name}", remove)

    def _found(self, what: str, request: _Request[T]) -> T | None:
        def look() -> T | None:
            try:
                return self._once(request)
            except ClientException as error:
                if error.http_status == 404:
                    return None
                raise

        return self.patience.persist(what, look)

    def _done(self, what: str, request: _Request[T]) -> T:
        return self.patience.persist(what, lambda: self._once(request))

    def _once(self, request: _Request[T]) -> T:
        access = self._signed_in()
        try:
            return self._asked(access, request)
        except ClientException as error:
            if error.http_status != 401:
                raise
        self._forget(access)  # a token is good for some hours only
        return self._asked(self._signed_in(), request)

    def _asked(self, access: Access, request: _Request[T]) -> T:
        try:
            return request(access, self._connection(access))
        except BaseException as error:
            # Whatever was left half said or half read is not for the next request.
            if not isinstance(error, ClientException) or (error.http_status or 500) >= 408:
                self._hang_up()
            raise

    def _signed_in(self) -> Access:
        with self._lock:
            if self._access is None:
                self._access = sign_in(self._options)
            return self._access

    def _forget(self, access: Access) -> None:
        with self._lock:
            if self._access is access:
                self._access = None

    def _hang_up(self) -> None:
        connection: _Connection | None = getattr(self._own, "connection", None)
        if connection is not None:
            connection[1].close()
            self._own.connection = None

    def _connection(self, access: Access) -> _Connection:
        connection: _Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            ca_file = None if self._options.ca_file is None else str(self._options.ca_file)
            connection = client.http_connection(access.url, cacert=ca_file, timeout=float(self._options.timeout))
            self._own.connection = connection
            with self._lock:
                self._connections.append(connection[1])
        return connection
