"""Manual pages lead nowhere: what is a link in the site is its words there."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


def without_links(app: Sphinx, doctree: nodes.document, _page: str) -> None:
    """Put the words of every link inside the site in its place."""
    if app.builder.name == "man":
        for link in list(doctree.findall(nodes.reference)):
            if link.get("internal"):
                link.replace_self(link.children)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("doctree-resolved", without_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
