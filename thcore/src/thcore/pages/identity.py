"""Which build a result.json is of, told without taking all of it for granted."""

from __future__ import annotations

import datetime
import json

from attrs import frozen

from thcore.model import Fence

__all__ = ["RESULT", "Identity", "read"]

RESULT = "result.json"
"""The name that the document has in a site."""


@frozen
class Identity:
    """Which build, and which attempt of it, a site holds the evidence of."""

    build: str
    attempt: int
    verdict: str = ""
    summary: str = ""
    ended: str = ""
    fence: Fence | None = None


def read(document: bytes) -> Identity | None:
    """Read it from a result.json; None when it is none. Of a later version of the document as well: it tells these."""
    try:
        told = json.loads(document)
        verdict, summary, ended = (str(told.get(key, "")) for key in ("verdict", "summary", "ended"))
        started = datetime.datetime.fromisoformat(told["started"])
        fence = Fence(str(told["worker"]["name"]), int(told["attempt"]), started)
        return Identity(str(told["build"]), fence.attempt, verdict, summary, ended, fence)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
