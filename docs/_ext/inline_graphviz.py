"""Graphviz diagrams as part of the page, so that they take its light and dark colours from ``_static/site.css``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.ext import graphviz
from sphinx.writers.html5 import HTML5Translator

_SIZE = re.compile(r'<svg width="(\d+)pt" height="\d+pt"')


def visit(translator: HTML5Translator, node: graphviz.graphviz) -> None:
    """Write the SVG itself where Sphinx would refer to a file."""
    _, path = graphviz.render_dot(translator, node["code"], node["options"], "svg", "diagram", node.get("filename"))
    if path is None:
        raise ExtensionError("dot is missing, install graphviz")
    text = Path(path).read_text("utf-8")
    text = text[text.index("<svg") :]
    text = _SIZE.sub(lambda match: f'<svg role="img" style="max-width: {int(match[1]) * 4 // 3}px"', text, count=1)
    # The words of a <title> would pop up over every node.
    text = re.sub(r"<title>.*?</title>\n?", "", text)
    label = translator.encode(node.get("alt", "Diagram"))
    translator.body.append(f'<div class="diagram" aria-label="{label}">{text}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.setup_extension("sphinx.ext.graphviz")
    app.add_node(graphviz.graphviz, override=True, html=(visit, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
