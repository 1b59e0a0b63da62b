"""Names and addresses. Nobody is asked here, and nothing is loaded that takes time: the worker tells Zuul an address at
once."""

from __future__ import annotations

from urllib.parse import quote

from thcore.pages.html import INDEX
from thplugins_publish_swift.failure import failure
from thplugins_publish_swift.instructions import Instructions
from thplugins_publish_swift.options import PublishSwiftOptions


def prefix(log_path: str) -> str:
    """What all names of a build begin with. Raises InfrastructureError for a log path that could lead elsewhere."""
    parts = log_path.split("/")
    if not log_path.isprintable() or any(part in {"", ".", ".."} for part in parts):
        raise failure(f"the build's log path {log_path!r} cannot be used; it must be relative and plain")
    return f"{log_path}/"


def with_account(options: PublishSwiftOptions, log_path: str) -> str | None:
    """The address of a build's page, when it is known without signing in."""
    return None if options.url is None else _prepended(options.url, f"{prefix(log_path)}{INDEX}")


def instructed(orders: Instructions, options: PublishSwiftOptions) -> str:
    """The address of the page of a build that goes where Zuul says."""
    front = orders.logserver or options.url
    if front is None:
        return quoted(orders.object_url(INDEX))
    return _prepended(front, orders.object_path(INDEX).lstrip("/"))


def stored(storage_url: str, container: str, name: str) -> str:
    """The address of an object in Swift."""
    return f"{storage_url.rstrip('/')}/{quote(container)}/{quote(name)}"


def quoted(url: str) -> str:
    """An address as a request has it; what is quoted already stays so."""
    return quote(url, safe=":/%@[]")


def _prepended(front: str, name: str) -> str:
    """What an operator puts in front of a name may be a server's address, or a script's that is given the name
    (``https://logs.example.org/show?file=``)."""
    return f"{front}{'' if front.endswith(('/', '=')) else '/'}{quote(name)}"
