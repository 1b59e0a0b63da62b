"""Analysis of logs by patterns, in time that grows no faster than the log."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from attrs import define, field, frozen

from thcore.builtin.evidence import open_plain, printable, without_prefix
from thcore.hooks import Build, hookimpl, option
from thcore.model import Finding, Location, Severity

LINE_LIMIT = 10_000
"""Bytes of a line that a pattern is tried on."""

FINDINGS_LIMIT = 20
"""Findings of one pattern that are told one by one."""

BUDGET_S = 60.0
"""Seconds that one pattern may take on all the logs of a build. It ends a pattern that backtracks."""

_CHUNK = 256 * 1024
_CHECK_S = 0.1
_CLASS = r"\[\^?(?:\\.|[^\]\\^])(?:\\.|[^\]\\])*\]"
_PART = re.compile(
    r"(?:(?P<literal>\\[^\w\s]|[A-Za-z0-9 _:/<>=,;'\"!@#%&~`-])"
    rf"|\\[dDsSwWbB]|[.^$]|{_CLASS}|\((?!\?)(?:\\.|{_CLASS}|[^()\[\]\\])*\))"
    r"(?P<repeated>[*+?][?+]?|\{[\d,]+\}\??)?"
)
"""A piece of an expression without alternatives: a character that a match has, or whatever may be anything else."""
_FILES_LIMIT = 1000
_CODE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


@frozen
class Pattern:
    """What to look for in the logs."""

    regex: str = option("Regular expression (Python's), searched for in each line.", example="'Traceback \\(most'")
    severity: Severity = option("How much a match weighs.", default=Severity.WARNING)
    message: str | None = option(
        "What to say about it; without it, the line itself.", default=None, example="A deprecated call"
    )
    code: str = option("Code of the findings, for scripts.", default="log-pattern")
    literal: str | None = option(
        "Text that every matching line has. It makes the search many times faster. Found out by itself, unless the"
        " expression has alternatives, nested groups or flags.",
        default=None,
        example="DeprecationWarning",
    )

    def __attrs_post_init__(self) -> None:
        try:
            compiled = re.compile(self.regex)
        except re.error as error:
            where = "" if error.pos is None else f" at position {error.pos}"
            raise ValueError(f"regex {self.regex!r} is no regular expression: {error.msg}{where}") from error
        if compiled.search(""):
            raise ValueError(f"regex {self.regex!r} matches even an empty line")
        if self.literal == "":
            raise ValueError("literal is empty; leave it out instead")
        if not _CODE.fullmatch(self.code):
            raise ValueError(f"code {self.code!r} is not kebab-case; write for example log-pattern")


@frozen
class LogPatternsOptions:
    """Options of the log_patterns plugin."""

    patterns: tuple[Pattern, ...] = option("What to look for.", default=())
    files: tuple[str, ...] = option(
        "Which files of the evidence to look at: relative paths, with `*` and `**`.", default=("console.log",)
    )

    def __attrs_post_init__(self) -> None:
        for name in self.files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or not path.parts:
                raise ValueError(f"files: {name!r} is no relative path inside the evidence")


@define
class _Search:
    """One pattern at work."""

    pattern: Pattern
    expression: re.Pattern[str]
    literal: bytes | None
    findings: list[Finding] = field(factory=list)
    more: int = 0
    spent_s: float = 0.0

    @classmethod
    def of(cls, pattern: Pattern) -> _Search:
        # Under search a leading ".*" finds the same lines, in time that is quadratic in their length.
        trimmed = re.sub(r"^(?:\.\*\??(?![*+?{]))+", "", pattern.regex)
        literal = pattern.literal or _literal_of(pattern.regex)
        return cls(pattern, re.compile(trimmed), literal.encode() if literal else None)


@define
class _Piece:
    """Some whole lines of a file. ``first`` is the number of the first one."""

    name: str
    first: int
    text: bytes
    prefixed: bool
    """Each line has a time and a source in front, as in the build log."""
    _lines: list[str] | None = None

    def lines(self) -> Iterator[tuple[int, str]]:
        """All lines with their numbers."""
        if self._lines is None:
            raw = self.text.split(b"\n")
            if not raw[-1]:
                del raw[-1]
            self._lines = [self._shown(line) for line in raw]
        return enumerate(self._lines, self.first)

    def lines_with(self, literal: bytes) -> Iterator[tuple[int, str]]:
        """The lines that have the literal, with their numbers."""
        number, position = self.first, 0
        while (hit := self.text.find(literal, position)) >= 0:
            start = self.text.rfind(b"\n", position, hit) + 1 or position
            number += self.text.count(b"\n", position, start)
            end = self.text.find(b"\n", hit)
            if end < 0:
                end = len(self.text)
            yield number, self._shown(self.text[start : min(end, start + LINE_LIMIT)])
            number, position = number + 1, end + 1

    def _shown(self, line: bytes) -> str:
        cut = line[:LINE_LIMIT]
        return (without_prefix(cut) if self.prefixed else cut).decode("utf-8", "replace")


class LogPatternsPlugin:
    """The plugin ``log_patterns``."""

    @hookimpl
    def thcore_job_options(self) -> type[LogPatternsOptions]:
        """Options of a job."""
        return LogPatternsOptions

    @hookimpl
    def thcore_analyse(self, build: Build, options: LogPatternsOptions) -> list[Finding]:
        """One finding for each matching line, up to a limit for each pattern, and one that counts the rest.

        Of each line the first 10,000 bytes are looked at. A pattern that takes too long is given up, which is a
        finding of severity ``unverified``.
        """
        searches = [_Search.of(pattern) for pattern in options.patterns]
        for path in _files(build.workspace.artifacts, options.files):
            name = path.relative_to(build.workspace.artifacts).as_posix()
            source = open_plain(path, build.workspace.artifacts)
            if source is None:
                continue
            with source:
                number = 1
                for text in _chunks(source):
                    build.check()
                    piece = _Piece(name, number, text, prefixed=path == build.workspace.log)
                    for search in searches:
                        _look(build, search, piece)
                    number += text.count(b"\n")
        return [finding for search in searches for finding in _told(search)]


plugin = LogPatternsPlugin()


def _files(artifacts: Path, names: tuple[str, ...]) -> list[Path]:
    found = {path for name in names for path in artifacts.glob(name)}
    return sorted(found)[:_FILES_LIMIT]


def _chunks(source: BinaryIO) -> Iterator[bytes]:
    """Pieces that end where a line ends. Of a line that is longer than a piece, the end is dropped."""
    rest = b""
    inside_long = False
    while data := source.read(_CHUNK):
        if inside_long:
            _, newline, data = data.partition(b"\n")
            if not newline:
                continue
            rest, inside_long = rest + newline, False
        whole, newline, tail = data.rpartition(b"\n")
        if newline:
            yield rest + whole + newline
            rest = tail
        else:
            rest += tail
        if len(rest) > LINE_LIMIT:
            rest, inside_long = rest[: LINE_LIMIT + 1], True
    if rest:
        yield rest


def _look(build: Build, search: _Search, piece: _Piece) -> None:
    if search.spent_s > BUDGET_S:
        return
    matches = search.expression.search
    started = checked = time.monotonic()
    lines = piece.lines() if search.literal is None else piece.lines_with(search.literal)
    for number, line in lines:
        if matches(line):
            if len(search.findings) < FINDINGS_LIMIT:
                search.findings.append(_finding(search.pattern, line, piece.name, number))
            else:
                search.more += 1
        now = time.monotonic()
        if now - checked > _CHECK_S:
            build.check()
            checked = now
            if search.spent_s + now - started > BUDGET_S:
                break
    search.spent_s += time.monotonic() - started


def _finding(pattern: Pattern, line: str, name: str, number: int) -> Finding:
    shown = printable(line.encode())
    return Finding(
        pattern.code,
        pattern.severity,
        pattern.message or shown or pattern.regex,
        Location(path=name, line=number),
        evidence=(shown,),
    )


def _literal_of(regex: str) -> str | None:
    """Text that every match of an expression has; None when the expression is not simple enough to tell."""
    longest = literal = ""
    position = 0
    while position < len(regex):
        part = _PART.match(regex, position)
        if part is None:
            return None
        literal = literal + part["literal"][-1] if part["literal"] and not part["repeated"] else ""
        longest = max(longest, literal, key=len)
        position = part.end()
    return longest or None


def _told(search: _Search) -> Iterator[Finding]:
    yield from search.findings
    if search.more:
        message = f"{search.more} more lines match {search.pattern.regex}"
        yield Finding(search.pattern.code, search.pattern.severity, message)
    if search.spent_s > BUDGET_S:
        yield Finding(
            "log-pattern-too-slow",
            Severity.UNVERIFIED,
            f"The pattern {search.pattern.regex} was given up after {BUDGET_S:.0f} s",
            hint="Give it a literal, or write it without nested repetitions.",
        )
