"""The site of a build: all its evidence and the pages on it, as a publisher puts them up.

A publisher copies what is here, in this order, and knows nothing of pages. The site does not know where it will stand:
every link in it is relative. The last file is the page to open, so that a site that is there only in part has none.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import mimetypes
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from attrs import field, frozen

from thcore.forms import junit, markdown, sarif
from thcore.model import JobHistory, Outcome
from thcore.model.document import to_json
from thcore.model.finding import by_weight
from thcore.pages import evidence, excerpt, html, viewer
from thcore.pages.evidence import Evidence, EvidenceFile, LeftOut
from thcore.pages.html import INDEX, Entry
from thcore.pages.identity import RESULT

__all__ = ["Site", "SiteFile", "assembled", "content_type"]

LOG = "console.log"
"""The build log."""
HISTORY = "history.html"
"""The history of the build's job up to this build."""
FORMS: Mapping[str, Callable[[Outcome], str]] = {
    "junit.xml": junit.to_xml,
    "result.sarif": sarif.to_json,
    "summary.md": markdown.to_markdown,
}
"""The result once more, for other programs."""
ENVIRONMENT = "environment.txt"
"""What the environment of the project holds, a line each."""

_LISTED = 1000
_SHORT_LOG = 20_000  # bytes; a page weighs ten times as much
_LOG_PAGES = 50  # of the largest logs
_PACKAGES = 1000
_LINE = 500  # bytes
_TEXT = "text/plain; charset=utf-8"
# What a browser shall show rather than save or run: text of every kind, the change's own HTML among it.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".sarif": "application/json",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".xml": "application/xml",
}
_TEXTS = {
    "",
    ".cfg",
    ".conf",
    ".csv",
    ".err",
    ".ini",
    ".log",
    ".md",
    ".out",
    ".py",
    ".sql",
    ".toml",
    ".txt",
    ".yaml",
    ".yml",
}


@frozen
class SiteFile:
    """A file to put up. ``name`` is its path in the site, as ``os.fsdecode`` has it; ``size`` is in bytes."""

    name: str
    size: int
    content_type: str
    modified: datetime.datetime
    source: str | bytes | Path = field(repr=False)
    """The name it has in the evidence, or the content of what was made, or the file that it was made in."""


@frozen
class Site:
    """What is put up: the evidence first, ``result.json`` last but one, ``index.html`` last."""

    files: tuple[SiteFile, ...]
    left_out: tuple[LeftOut, ...]
    _evidence: Evidence = field(repr=False)

    @contextlib.contextmanager
    def open(self, file: SiteFile) -> Iterator[BinaryIO]:
        """The content of a file. Read no more than its size: something may still write to it. Raises OSError when it
        cannot be read any more."""
        source = file.source
        if isinstance(source, bytes):
            yield io.BytesIO(source)
        elif isinstance(source, Path):
            with source.open("rb") as stream:
                yield stream
        else:
            with self._evidence.open(source) as stream:
                yield stream


@contextlib.contextmanager
def assembled(artifacts: Path, outcome: Outcome, past: JobHistory | None = None) -> Iterator[Site]:
    """The site of a build whose evidence lies in ``artifacts``. Its files can be opened until it is left. ``past`` is
    what ``build.recent()`` answers; without it there is no history page."""
    with evidence.opened(artifacts) as kept, _scratch(artifacts) as scratch:
        published = _published(kept)
        inside = [file for file in kept.files if file.name != RESULT]  # the document of an earlier state is not kept
        files = [_copied(file, published[file.name]) for file in inside]
        # A lone surrogate becomes JSON's own escape.
        document = _made(RESULT, to_json(outcome).encode("utf-8", "backslashreplace"), outcome)
        names = [(file.name, published[file.name]) for file in inside]
        renamed = (LeftOut(name, _moved(given)) for name, given in names if name != given)
        left_out = sorted((*kept.left_out, *renamed), key=lambda entry: entry.name)
        lines = _excerpt(kept, outcome)
        logs = sorted(filter(_has_page(kept), inside), key=lambda file: (file.name != LOG, -file.size))[:_LOG_PAGES]
        viewers = [_viewer(kept, log, published[log.name], _marks(log, lines, outcome), scratch) for log in logs]
        forms = [_made(name, form(outcome).encode("utf-8", "replace"), outcome) for name, form in FORMS.items()]
        if past is not None:
            forms.append(_made(HISTORY, _history(past, outcome), outcome))
        shown = [EvidenceFile(file.name, file.size, file.modified) for file in (*files, *viewers, *forms, document)]
        shown.sort(key=lambda file: ("/" in file.name, *file.name.rpartition("/")))
        listings = [
            _made(name, page, outcome)
            for name, page in _listings(shown, [published[name] for name in kept.directories], outcome)
        ]
        page = html.result_page(outcome, shown, left_out, lines, _environment(kept))
        made = (*viewers, *listings, *forms, document, _made(INDEX, page, outcome))
        yield Site((*files, *made), tuple(left_out), kept)


def content_type(name: str) -> str:
    """The type of a file's content by its name, as it is told to a browser. Text is shown, not saved."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in _TEXTS:
        return _TEXT
    return _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def _published(kept: Evidence) -> Mapping[str, str]:
    """The names that what is in the evidence has in the site: what has a name of ours gives way."""
    names = (*(file.name for file in kept.files), *kept.directories)
    taken = {name.partition("/")[0] for name in names}
    ours = {name: _free(name, taken) for name in (INDEX, RESULT, HISTORY, *FORMS) if name in taken}
    published = {}
    for name in names:
        first, slash, rest = name.partition("/")
        published[name] = ours.get(first, first) + slash + rest
    return published


def _free(name: str, taken: set[str]) -> str:
    stem, _, suffix = name.rpartition(".")
    return next(free for number in range(1, len(taken) + 2) if (free := f"{stem}.{number}.{suffix}") not in taken)


def _moved(name: str) -> str:
    return f"published as {name}, since this page has its name"


def _copied(file: EvidenceFile, name: str) -> SiteFile:
    return SiteFile(name, file.size, content_type(name), file.modified, file.name)


def _made(name: str, content: bytes, outcome: Outcome) -> SiteFile:
    return SiteFile(name, len(content), content_type(name), outcome.ended, content)


def _listings(
    files: Sequence[EvidenceFile], directories: Sequence[str], outcome: Outcome
) -> Iterator[tuple[str, bytes]]:
    """A page of each directory that has none of its own: a report's own start page is the better one."""
    entries: dict[str, list[Entry]] = {name: [] for name in directories}
    for name in directories:
        parent, _, last = name.rpartition("/")
        if parent:
            entries[parent].append(Entry(last, directory=True))
    for file in files:
        parent, _, last = file.name.rpartition("/")
        if parent in entries:
            entries[parent].append(Entry(last, directory=False, size=file.size, modified=file.modified))
    above = _above(outcome)
    for name, inside in sorted(entries.items()):
        if all(entry.name != INDEX for entry in inside):
            inside.sort(key=lambda entry: (not entry.directory, entry.name))
            page = html.listing_page((*above, *name.split("/")), inside[:_LISTED], max(len(inside) - _LISTED, 0))
            yield f"{name}/{INDEX}", page


@contextlib.contextmanager
def _scratch(artifacts: Path) -> Iterator[Path]:
    """A directory of our own in the build's workspace, which is removed with it whatever happens."""
    with tempfile.TemporaryDirectory(prefix="site-", dir=artifacts.parent if artifacts.exists() else None) as name:
        yield Path(name)


def _has_page(kept: Evidence) -> Callable[[EvidenceFile], bool]:
    """Whether a page is made of a file: of the build log, and of logs that are too long to be read as they are."""
    taken = {file.name for file in kept.files} | set(kept.directories)

    def has_page(file: EvidenceFile) -> bool:
        long = file.size > (0 if file.name == LOG else _SHORT_LOG)
        return file.name.endswith(".log") and long and viewer.page_name(file.name) not in taken

    return has_page


def _marks(file: EvidenceFile, lines: excerpt.Excerpt, outcome: Outcome) -> list[viewer.Mark]:
    """The findings that point at lines of a log: of the build log only."""
    findings = by_weight(outcome.findings)
    found = sorted(lines.first_lines.items(), key=lambda item: item[1]) if file.name == LOG else ()
    return [viewer.Mark(line, (it := findings[index]).code, it.severity, it.message) for index, line in found]


def _viewer(kept: Evidence, file: EvidenceFile, name: str, marks: Sequence[viewer.Mark], scratch: Path) -> SiteFile:
    handle, path = tempfile.mkstemp(dir=scratch)
    with os.fdopen(handle, "wb") as page, kept.open(file.name) as log:
        viewer.write(log, name, marks, page, file.size)
        size = page.tell()
    shown = viewer.page_name(name)
    return SiteFile(shown, size, content_type(shown), file.modified, Path(path))


def _history(past: JobHistory, outcome: Outcome) -> bytes:
    return html.history_page(past, _above(outcome), this=outcome)


def _above(outcome: Outcome) -> tuple[str, ...]:
    """The names of the directories that lead to the site from the root that the log path is below."""
    return tuple(part for part in outcome.log_path.split("/") if part)


def _excerpt(kept: Evidence, outcome: Outcome) -> excerpt.Excerpt:
    if all(file.name != LOG for file in kept.files):
        return excerpt.Excerpt()
    with kept.open(LOG) as log:
        return excerpt.take(log, by_weight(outcome.findings), outcome.datasets)


def _environment(kept: Evidence) -> Sequence[str]:
    if all(file.name != ENVIRONMENT for file in kept.files):
        return ()
    with kept.open(ENVIRONMENT) as file:
        lines = [file.readline(_LINE).decode("utf-8", "replace").strip() for _ in range(_PACKAGES)]
    return tuple(line for line in lines if line)
