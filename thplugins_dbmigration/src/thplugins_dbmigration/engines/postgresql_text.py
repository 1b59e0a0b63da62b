"""What can be told of a statement of PostgreSQL by its text alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

# What is not closed goes on to the end: a text may be cut.
TOKEN = re.compile(
    r"""
    (?P<nothing> \s+ | --[^\n]* | /\*.*?(?:\*/|\Z) )
    | (?P<value> [eE]'(?:[^'\\]|\\.|'')*(?:'|\Z) | (?:[bBnNxX]|[uU]&)?'(?:[^']|'')*(?:'|\Z)
        | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z) | \$\d+ | (?<![\w$])\d[\w.]* )
    | (?P<name> "(?:[^"]|"")*(?:"|\Z) | [^\W\d][\w$]* )
    | (?P<end> ; )
    | (?P<sign> . )
    """,
    re.VERBOSE | re.DOTALL,
)
"""A piece of a statement, and what it is."""
_ATOMIC = re.compile(r"\bBEGIN\s+ATOMIC\b", re.IGNORECASE)
_TRANSACTIONS = frozenset(("BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"))
_MANY = frozenset(
    (
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "MERGE",
        "WITH",
        "VALUES",
        "COPY",
        "FETCH",
        "MOVE",
        "EXECUTE",
        "SET",
        "SHOW",
    )
)


def parts(text: str) -> tuple[str, ...]:
    """The statements that the text consists of, without the semicolons between them. A function whose body is SQL
    without quotes cannot be told from several: it is one."""
    if _ATOMIC.search(text):
        return (text.strip(),)
    found, begin, empty = [], 0, True
    for token in TOKEN.finditer(text):
        if token.lastgroup == "end":
            if not empty:
                found.append(text[begin : token.start()].strip())
            begin, empty = token.end(), True
        elif token.lastgroup != "nothing":
            empty = False
    if not empty:
        found.append(text[begin:].strip())
    return tuple(found)


def valueless(text: str) -> str:
    """The text without comments, with a question mark for each value: the same for statements that differ in those
    only, whether PostgreSQL has taken the values out (``$1``) or not."""
    return " ".join(_tokens(text))


def is_of_transaction(text: str) -> bool:
    """Whether it begins or ends a transaction, or a part of one, and does nothing else."""
    return next(_tokens(text), "").upper() in _TRANSACTIONS


def likeness(text: str, query: int) -> str:
    """What statements have in common that come in great numbers, such as those of a loop; empty for all others, which
    are told one by one. ``query`` is the server's number for it."""
    word = next(_tokens(text), "").upper()
    if word in _TRANSACTIONS:
        return word  # savepoints have names of their own
    if word not in _MANY:
        return ""
    return str(query) if query else valueless(text)


def _tokens(text: str) -> Iterator[str]:
    minus = False
    for token in TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "nothing":
            continue
        if minus and kind != "value":  # of a negative number it is a part of the value, for PostgreSQL
            yield "-"
        minus = kind == "sign" and token[0] == "-"
        if kind == "value":
            yield "?"
        elif not minus:
            yield token[0]
