"""A build log that tries to run something, to hide something or to break whoever shows it."""

from __future__ import annotations

TEXTS = (
    "<script>window.ran = 1; alert(1)</script>",
    '"><img src=x onerror="window.ran = 2; alert(2)">',
    "</script><script>window.ran = 3; alert(3)</script>",
    "<!-- <script> -->",
    "{{ 7 * 7 }} {% raw %}",
    "user \u202etxt.exe\u202c \u200fabc\u2066 \u05d0\u05d1",
    "nul \x00 bell \x07 escape \x1b",
    "line\u2028separator and paragraph\u2029separator",
    "\x1b]0;a title\x07after the title \x1b[2J\x1b[1;1Hcleared",
    "javascript:alert(4) &lt;b&gt; &amp;",
)
"""Lines that are text, each with what it tries."""

LONG = "x" * 1_000_000 + " the end of the long line"
BROKEN = b"caf\xe9 \xff\xfe \xc0\xaf torn \xe2\x82"

CONTENT = b"".join(
    b"2026-11-21T21:35:24.123Z tests | " + line + b"\n"
    for line in (*(text.encode() for text in TEXTS), LONG.encode(), BROKEN, b"last line")
)
