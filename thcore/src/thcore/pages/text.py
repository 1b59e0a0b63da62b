"""Untrusted text made fit to be looked at: what hides, moves or colours other text is written out instead."""

from __future__ import annotations

import os
import re
from urllib.parse import quote

_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ANSI = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours and cursor movements
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # window titles, links and other strings
    r"|\x1b[ -/]*[0-~]"  # everything shorter
)


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    # Written as in a program's source: the control pictures of Unicode are missing from many fonts.
    if match[0] in _SHORT:
        return _SHORT[match[0]]
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"  # a byte that is no UTF-8, as Python decodes file names
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def visible(text: str) -> str:
    """The text with control characters, invisible ones and those that change the direction of writing written out."""
    return _HIDDEN.sub(_written_out, text)


def shortened(text: str, limit: int) -> str:
    """At most ``limit`` characters of the text; what was left out is said at its end."""
    return text if len(text) <= limit else f"{text[:limit]} … ({len(text) - limit} more characters)"


def plain(text: str) -> str:
    """A line as a terminal would leave it: no escape sequences, of a progress bar only the last state, no tabs."""
    line = (_ANSI.sub("", text) if "\x1b" in text else text).rstrip()
    return line.rpartition("\r")[2].expandtabs(4)


def href(name: str) -> str:
    """A relative address of the file or directory ``name``, fit for an HTML attribute."""
    # "./" keeps a name such as "a:b" from being read as a scheme.
    return "./" + quote(os.fsencode(name))
