"""What a change, its programs and whoever submits a build may hand to a plugin."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

WORDS = ("../../escape", "--upload-pack=touch escape", "-x", "a b", "a\nb", "a\0b", "$(touch escape)", "ext::sh", "")
"""Words that nobody may take for a name of a project, a ref or a commit."""

PARAMETERS: Mapping[str, str] = MappingProxyType(
    {
        "ZUUL_PROJECT": "$(touch escape)",
        "ZUUL_BRANCH": "`touch escape`; touch escape",
        "ZUUL_REF": "../../escape",
        "BASE_LOG_PATH": "/escape",
        "LD_PRELOAD": "/nonexistent/escape.so",
        "a b\n": "\x1b[2J<script>alert(1)</script>",
        "": "\udcff",
    }
)
"""Parameters of a build, which whoever may launch one chooses."""

NAMES = (
    b"<script>alert(1)<\\script>.html",
    b"\"quoted' & ampersand.txt",
    b"line\nline.txt",
    b"\x1b[31mred.txt",
    b"\xff\xfe.txt",
    b"%2e%2e%2fescape.txt",
    b"query?a=b#fragment.txt",
    b"-rf",
    b"...",
    b"back\\slash.txt",
    b"a" * 255,
    "\u202etxt.exe".encode(),
)
"""Names that a program of the change may give a file."""

LOG = b"\n".join(
    (
        b"2026-03-01T10:00:00.000Z suite | \x00 NUL",
        b"\x1b[2J\x1b]0;title\x07 escape sequences, \x9b1m and \xff\xfe no UTF-8, \xed\xa0\x80 a lone surrogate",
        b"a" * 1_000_000,
        b"(" * 20_000 + b"ERROR" + b" " * 100_000 + b"!",
        b"\xe2\x80\xae<script>alert(1)</script>\r\x0b\x0c",
        b"9999-99-99T99:99:99.999Z \x00 | Traceback (most recent call last):",
        b"no newline at the end \xf0\x9f",
    )
)
"""What a program of the change may print."""


def fill(tree: Path) -> None:
    """Put files of hostile names into a work tree, links out of it, and one that leads round in a circle."""
    tree.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        (tree / os.fsdecode(name)).write_text("harmless\n")
    (tree / "outside").symlink_to("/")
    (tree / "circle").symlink_to(".")
    (tree / "dangling").symlink_to("nowhere")
