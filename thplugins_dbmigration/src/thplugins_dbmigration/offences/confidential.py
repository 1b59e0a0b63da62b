"""Columns that hold what nobody is to read: a dataset's ``confidential``, tables with their columns."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

Confidential = Mapping[str, tuple[str, ...]]
MASK = "***"

_VALUES = (
    # MySQL and MariaDB
    r"(Duplicate entry )'.*?'( for key)",
    r"(syntax to use near )'.*?'( at line \d)",
    r"((?:Incorrect|Truncated incorrect) [\w ]*value: )'.*?'( for column|\s*$|\"|\))",
    # PostgreSQL
    r"(Key \([^\n=]*\)=)\(.*?\)( already exists| is duplicated| is not present| is still ref| conflicts)",
    r"(Failing row contains )\(.*?\)(\.\s*$|\.\"|\.\\n)",
    r"(invalid input (?:syntax|value) for [^:\n]+: )\".*?\"(\s*$|\s*LINE |\s*CONTEXT|\\n)",
    r"(date/time field value out of range: )\".*?\"(\s*$|\s*LINE |\s*CONTEXT|\\n)",
    r"(value )\".*?\"( is out of range for type)",
    r"(malformed [\w ]+ literal: )\".*?\"(\s*$|\s*LINE |\\n)",
    r"(\bCOPY \S+, line \d+(?:, column [^:\n]+)?: )\".*?\"(\s*$|\\n)",
    r"(\bLINE \d+: )[^\n]+()",
    r"(\bSTATEMENT:  )[^\n]+()",
    # SQLAlchemy. What is not closed was cut.
    r"(\[SQL: ).*?(\]\s*$|\Z)",
    r"(\[parameters: ).*?(\]\s*$|\Z)",
)
"""What stands around the values in the words of servers."""
_QUOTES = re.compile(r"^(?:\w{0,2}&?['\"]|\$\w*\$)|(?:['\"]|\$\w*\$)$")


def is_confidential(confidential: Confidential, table: str, column: str) -> bool:
    """Whether a column is marked; ``table`` may have its schema in front."""
    return column.lower() in _columns(confidential, table)


def touches(confidential: Confidential, tables: Collection[str]) -> bool:
    """Whether any of these tables has a column that is marked."""
    return any(_columns(confidential, table) for table in tables)


def without_values(lines: Iterable[str]) -> tuple[str, ...]:
    """Lines of an error, with what servers quote of rows masked."""
    text = "\n".join(lines)
    for pattern in _VALUES:
        text = re.sub(pattern, lambda found: f"{found[1]}{MASK}{found[2] or ''}", text, flags=re.MULTILINE | re.DOTALL)
    return tuple(text.split("\n"))


def blotted(text: str, literals: Collection[str], *, shortest: int = 1) -> str:
    """A text without these values, whether they stand in it as in a statement or bare; bare ones that have fewer
    characters than ``shortest`` may be parts of anything, and stay."""
    quoted = {each for each in literals if not each[0].isdigit()}
    bare = {form for each in literals for form in _bare(each) if len(form) >= shortest}
    forms = [re.escape(each) for each in sorted(quoted, key=len, reverse=True)]
    forms += [rf"(?<!\w){re.escape(each)}(?!\w)" for each in sorted(bare, key=len, reverse=True)]
    return re.sub("|".join(forms), MASK, text) if forms else text


def _bare(literal: str) -> set[str]:
    """What a literal says, as it is written and as it is meant."""
    said = _QUOTES.sub("", literal)
    meant = re.sub(r"\\(.)", r"\1", said.replace("''", "'"), flags=re.DOTALL)
    return {said, meant} - {""}


def _columns(confidential: Confidential, table: str) -> set[str]:
    last = table.rpartition(".")[2].lower()
    return {
        column.lower()
        for name, columns in confidential.items()
        if name.lower() in {table.lower(), last} or name.rpartition(".")[2].lower() == last
        for column in columns
    }
