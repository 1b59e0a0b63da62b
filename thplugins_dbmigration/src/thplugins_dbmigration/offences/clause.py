"""A statement, or a part of one, read word by word.

What a migration says is wanted back verbatim, in a query for the same server: a condition, an expression, a SELECT. So
statements are taken apart and not translated; what is not understood is left alone.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from attrs import define, frozen

LONGEST = 200_000
"""Characters of a statement that is looked at."""


class Unreadable(Exception):  # noqa: N818 - no error: what cannot be read is not explained, and that is all
    """A statement is not what it was taken for."""


@frozen
class Word:
    """``text`` is what it says, of a quoted name without the quotes; ``start`` and ``end`` is where it stands."""

    text: str
    start: int
    end: int
    quoted: bool = False
    literal: bool = False

    def says(self, keyword: str) -> bool:
        """Whether it is that word of the language; a quoted name is none."""
        return not self.quoted and not self.literal and self.text.upper() == keyword


@frozen
class Name:
    """What a table is called, with its schema or database where the statement says that."""

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.parts)

    @property
    def last(self) -> str:
        """The table's own name."""
        return self.parts[-1]


@define
class Clause:
    """Words of the text ``source``, of which the first ``at`` have been taken."""

    source: str
    words: tuple[Word, ...]
    folded: bool
    """Whether names that are not quoted are in lower case, as in PostgreSQL."""
    at: int = 0

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return self.at >= len(self.words)

    @property
    def text(self) -> str:
        """What is left, verbatim."""
        return "" if self.done else self.source[self.words[self.at].start : self.words[-1].end]

    def ahead(self, *keywords: str) -> bool:
        """Whether these words come next."""
        return len(self.words) - self.at >= len(keywords) and all(
            word.says(keyword) for word, keyword in zip(self.words[self.at :], keywords, strict=False)
        )

    def take(self, *keywords: str) -> bool:
        """Go past these words, where they come next."""
        if not self.ahead(*keywords):
            return False
        self.at += len(keywords)
        return True

    def take_any(self, *keywords: str) -> None:
        """Go past all of these words, in any order."""
        while any(self.take(keyword) for keyword in keywords):
            pass

    def demand(self, *keywords: str) -> None:
        """Go past these words. Raises Unreadable when others come next."""
        if not self.take(*keywords):
            raise Unreadable(f"{' '.join(keywords)} is missing")

    def next(self) -> Word:
        """Take one word, whatever it is."""
        if self.done:
            raise Unreadable("it ends too early")
        word = self.words[self.at]
        self.at += 1
        return word

    def name(self) -> str:
        """Take a name."""
        word = self.next()
        if word.quoted:
            return word.text
        if word.literal or not re.fullmatch(r"[^\W\d][\w$#]*", word.text):
            raise Unreadable(f"{word.text} is no name")
        return word.text.lower() if self.folded else word.text

    def table(self) -> Name:
        """Take a table's name."""
        parts = [self.name()]
        while self.take("."):
            parts.append(self.name())
        return Name(tuple(parts))

    def group(self) -> Clause:
        """Take what stands in parentheses, without them."""
        self.demand("(")
        start = self.at
        for place, depth in self._depths():
            if depth < 0:
                self.at = place + 1
                return Clause(self.source, self.words[start:place], self.folded)
        raise Unreadable("a parenthesis is not closed")

    def until(self, *keywords: str) -> Clause:
        """Take what comes before one of these words, outside of parentheses; all where there is none."""
        start = self.at
        for place, depth in self._depths():
            if depth == 0 and any(self.words[place].says(keyword) for keyword in keywords):
                self.at = place
                break
        else:
            self.at = len(self.words)
        return Clause(self.source, self.words[start : self.at], self.folded)

    def parts(self) -> Iterator[Clause]:
        """What is left, part by part between commas."""
        while not self.done:
            yield self.until(",")
            self.take(",")

    def _depths(self) -> Iterator[tuple[int, int]]:
        """The places that are left, and how deep in parentheses each is: negative past the end of those around."""
        depth = 0
        for place in range(self.at, len(self.words)):
            if self.words[place].says(")"):
                depth -= 1
            yield place, depth
            if self.words[place].says("("):
                depth += 1


def read(dialect: str, text: str) -> Clause:
    """The first statement of a text, for ``mysql``, ``postgresql`` or ``sqlite``. Raises Unreadable."""
    if len(text) > LONGEST:
        raise Unreadable("it is too long")
    words = tuple(itertools.takewhile(lambda word: not word.says(";"), _words(dialect, text)))
    return Clause(text, words, folded=dialect == "postgresql")


def _words(dialect: str, text: str) -> Iterator[Word]:
    from sqlglot import Dialect, TokenType
    from sqlglot.errors import SqlglotError

    try:
        tokens = Dialect.get_or_raise("postgres" if dialect == "postgresql" else dialect).tokenize(text)
    except (SqlglotError, RecursionError, ValueError) as error:
        raise Unreadable(str(error)) from error
    literals = {kind for kind in TokenType if kind.name.endswith("STRING")}
    for token in tokens:
        end = token.end + 1
        if token.token_type is TokenType.IDENTIFIER:
            yield Word(token.text, token.start, end, quoted=True)
        elif token.token_type in literals:
            yield Word(token.text, token.start, end, literal=True)
        else:
            # Words that make a keyword together, such as PRIMARY KEY, are one token.
            for found in re.finditer(r"\S+", text[token.start : end]):
                yield Word(found.group(), token.start + found.start(), token.start + found.end())
