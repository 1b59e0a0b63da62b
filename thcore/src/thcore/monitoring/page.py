"""The worker's status as a page that stands alone: no other file, no other host, readable without a script."""

from __future__ import annotations

import datetime
import secrets
from urllib.parse import urlsplit

from attrs import frozen
from jinja2 import Environment, PackageLoader, StrictUndefined

from thcore.model.quantity import format_duration, format_size
from thcore.monitoring.status import Status

_PHASE_TONES = {"serving": "success", "paused": "failure", "stopping": "failure"}


@frozen
class Page:
    """HTML, and the Content-Security-Policy that lets it use its own style and script and nothing else."""

    html: str
    policy: str


def render(status: Status) -> Page:
    """The page of a status."""
    nonce = secrets.token_urlsafe(18)
    html = _environment.get_template("status.html.j2").render(
        status=status,
        tone=_PHASE_TONES.get(status.phase.value, "unverified") if status.ready else "failure",
        nonce=nonce,
    )
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; img-src data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Page(html, policy)


def _moment(at: datetime.datetime) -> str:
    return f"{at.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"


def _ago(at: datetime.datetime, now: datetime.datetime) -> str:
    return format_duration(max(0.0, (now - at).total_seconds()))


def _is_link(url: str) -> bool:
    """Whether it is safe to have a browser open it: publishers are other people's code."""
    try:
        return urlsplit(url).scheme in {"http", "https"}
    except ValueError:
        return False


_environment = Environment(
    loader=PackageLoader("thcore.monitoring"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {"duration": format_duration, "size": format_size, "moment": _moment, "ago": _ago}
_environment.tests["link"] = _is_link
