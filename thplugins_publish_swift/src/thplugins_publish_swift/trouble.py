"""What went wrong between us and Swift, in words, and whether it is worth another try."""

from __future__ import annotations

import re

import requests
from keystoneauth1 import exceptions as identity
from swiftclient.exceptions import ClientException

from thcore.errors import InfrastructureError
from thplugins_publish_swift.failure import failure

ERRORS = (ClientException, identity.ClientException, requests.RequestException, OSError)
"""What the libraries raise."""

_PASSING = {408, 422, 425, 429, 498, 499, 500, 502, 503, 504, 507}
_ADVICE = {
    400: "it does not understand the request",
    401: "it does not accept who we are; check user, password and tenant",
    403: "it does not permit this; check the user's role and the container's access list",
    404: "it has no such container; name another, or set create_container",
    405: "it does not permit this; it may be read only",
    411: "it does not take the request",
    413: "it has no room for it: a quota is used up, or the file is larger than it takes; raise the quota, remove old"
    " logs, or lower segment_size",
    497: "it has locked the account out; ask its operator",
    507: "its disks are full; ask its operator",
}
_LONGEST = 200


def status_of(error: Exception) -> int | None:
    """The status that the server answered with, if it answered."""
    status = getattr(error, "http_status", None)
    return status if isinstance(status, int) else None


def passes(error: Exception) -> bool:
    """Whether it may be over in a moment: the server is away or busy, or the network broke."""
    if isinstance(error, ClientException):
        return error.http_status in _PASSING
    if isinstance(error, identity.HttpError):
        return error.http_status in _PASSING
    if isinstance(error, identity.ConnectionError):
        return not isinstance(error, identity.SSLError)
    if isinstance(error, requests.RequestException):
        return not isinstance(error, (requests.exceptions.SSLError, requests.exceptions.InvalidURL))
    return isinstance(error, OSError)


def told(error: Exception, what: str) -> InfrastructureError:
    """The finding for an error. ``what`` was being done, as in "cannot WHAT"."""
    status = status_of(error)
    if status is not None:
        said = answered(getattr(error, "http_response_content", None) or b"")
        return failure(f"cannot {what}: Swift answered {status}{said}: {advice(status)}")
    return failure(f"cannot {what}: {reason(error)}")


def advice(status: int) -> str:
    """What an answer means for the operator."""
    return _ADVICE.get(status, "it has a fault of its own" if status >= 500 else "it refuses")


def answered(body: bytes | str) -> str:
    """The server's own words, in brackets, as one short line without markup."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    words = " ".join(re.sub(r"<[^>]*>", " ", text).split())
    printable = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in words)
    return f" ({printable[:_LONGEST]})" if printable else ""


def reason(error: Exception) -> str:
    """Why there was no answer: the innermost cause, which is the one that says it shortly."""
    seen = {id(error)}
    inner: BaseException = error
    while (cause := inner.__cause__ or inner.__context__) is not None and id(cause) not in seen:
        seen.add(id(cause))
        inner = cause
    if isinstance(inner, TimeoutError):
        return "the server is silent"
    text = (inner.strerror if isinstance(inner, OSError) else None) or str(inner) or type(inner).__name__
    return answered(text).removeprefix(" (").removesuffix(")")
