"""Zuul's own instructions: where a build's evidence goes, and a form that Zuul has signed for it.

They come with the build, as text that is not trusted: addresses are checked, and nothing but evidence is sent there.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

from thcore.model.quantity import format_duration, format_size
from thcore.pages.site import SiteFile
from thplugins_publish_swift.failure import failure

_DIGESTS = {40: "sha1", 64: "sha256", 128: "sha512"}
_MARGIN_S = 5.0
_UNQUOTABLE = frozenset('"\\')


@frozen
class Instructions:
    """A form that Zuul has signed: ``max_size`` bytes a file, ``max_count`` files a form, until ``expires``.

    ``fields`` are the form's own, to be sent as they are. ``logserver`` is the address of the server that shows what is
    in the container, when Zuul knows of one.
    """

    url: str
    path: str
    max_size: int
    max_count: int
    expires: datetime.datetime
    fields: Mapping[str, str] = field(repr=False)
    logserver: str | None = None

    @property
    def digest(self) -> str:
        """The digest that the signature is made with."""
        return _DIGESTS.get(len(self.fields["signature"]), "an unknown digest")

    def filename(self, name: str) -> str:
        """The name that a form gives a file. Swift joins it to the address as it is, so it brings the slash."""
        return name if self.path.endswith("/") else f"/{name}"

    def object_url(self, name: str) -> str:
        """The address of a file in Swift, not quoted."""
        return self.url + self.filename(name)

    def object_path(self, name: str) -> str:
        """The name of a file in the container."""
        return self.path.split("/", 4)[4] + self.filename(name)

    def check(self, files: Sequence[SiteFile], now: datetime.datetime) -> None:
        """Raise InfrastructureError when the form is known not to do for these files, before anything is sent."""
        late_s = (now - self.expires).total_seconds()
        if late_s + _MARGIN_S > 0:
            raise failure(
                f"Zuul's form was good until {self.expires:%Y-%m-%d %H:%M:%S} UTC, and time in the queue counts; raise"
                f" expiry of swift in zuul.conf (it is {format_duration(max(late_s, 0.0))} late), or give the plugin an"
                " account"
            )
        large = [file for file in files if file.size > self.max_size]
        if large:
            names = ", ".join(f"{file.name!r} ({format_size(file.size)})" for file in large[:3])
            more = f" and {len(large) - 3} more" if len(large) > 3 else ""
            raise failure(
                f"Zuul's form takes files of {format_size(self.max_size)} at most, not {names}{more}; raise"
                " max_file_size of swift in zuul.conf, or give the plugin an account"
            )


def read(parameters: Mapping[str, str], name: str) -> Instructions:
    """The instructions of a build's parameters. Raises InfrastructureError when there are none, or none that we
    understand."""
    url, body, signature = (parameters.get(f"SWIFT_{name}_{part}") for part in ("URL", "HMAC_BODY", "SIGNATURE"))
    if not url or not body or not signature:
        raise failure(
            f"Zuul has sent no instructions named {name}; give the job a swift entry of this name in Zuul's layout"
        )
    lines = body.split("\n")
    parts = urlsplit(url)
    if len(lines) != 5 or not all(line.isdecimal() and line.isascii() for line in lines[2:]):
        raise _not_understood(name, f"SWIFT_{name}_HMAC_BODY is not path, redirect, size, count and expiry")
    path, redirect, size, count, expires = lines
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise _not_understood(name, f"SWIFT_{name}_URL is no plain address")
    if unquote(parts.path) != path or path.count("/") < 4 or {".", ".."} & set(path.split("/")):
        raise _not_understood(name, f"SWIFT_{name}_URL and the path that was signed are not the same")
    if redirect or int(count) < 1:
        raise _not_understood(name, "a form that redirects, or takes no file, is of no use here")
    try:
        until = datetime.datetime.fromtimestamp(int(expires), datetime.UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise _not_understood(name, f"its expiry, {expires}, is no time") from error
    fields = {
        "redirect": redirect,
        "max_file_size": size,
        "max_file_count": count,
        "expires": expires,
        "signature": signature.strip(),
    }
    logserver = parameters.get(f"SWIFT_{name}_LOGSERVER_PREFIX") or None
    if logserver is not None and not logserver.startswith(("http://", "https://")):
        logserver = None
    return Instructions(url, path, int(size), int(count), until, fields, logserver)


def reason_against(name: str) -> str | None:
    """Why a file cannot be sent in a form under its name; None when it can."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "its name is no UTF-8"
    if not name.isprintable() or _UNQUOTABLE & set(name):
        return "Swift does not understand its name in a form"
    return None


def _not_understood(name: str, why: str) -> Exception:
    return failure(f"Zuul's instructions {name} cannot be followed: {why}")
