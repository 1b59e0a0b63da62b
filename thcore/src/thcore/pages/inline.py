"""Style and script of the pages, which stand in each page itself, and the policy that has a browser take no others."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from importlib.resources import files

from markupsafe import Markup


def policy(styles: Iterable[str], scripts: Iterable[str] = ()) -> str:
    """The Content-Security-Policy of a page that holds exactly these styles and scripts and asks nothing of anyone."""
    return "; ".join(
        (
            "default-src 'none'",
            _only("style-src", styles),
            _only("script-src", scripts),
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _only(directive: str, texts: Iterable[str]) -> str:
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
    return " ".join([directive, *(f"'sha256-{digest}'" for digest in hashes)] if hashes else [directive, "'none'"])


def _text(name: str) -> Markup:
    return Markup(files(__package__).joinpath("templates", name).read_text("utf-8"))  # noqa: S704 - ships with us


STYLE = _text("style.css")
CHARTS = _text("history.css")
"""What pages with charts have beside it."""
SORTING = _text("sorting.js")
"""Lets people sort the tables of class ``sortable`` by those of their columns that have a ``data-sort``."""
FILTERING = _text("filtering.js")
"""Shows the field ``filter``, which leaves only those rows of tables that have all its words."""
RENEWAL = _text("renewal.js")
"""Reads a page again every so many seconds, as an element with ``data-renew`` says."""
