"""Values to HTML. Pure functions: nothing is read or written here.

Every page is one static file that needs nothing else: no script, no font, no picture from elsewhere. Three nets catch
hostile text: whatever a template prints goes through ``visible``, is then escaped, and the page's own policy has a
browser run nothing but the script of ours, known by its hash.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence

import jinja2
from attrs import evolve, frozen
from markupsafe import Markup

from thcore import __version__
from thcore.forms import advice
from thcore.model import JobHistory, Outcome, Severity, Standing, repetition
from thcore.model.finding import by_weight
from thcore.model.quantity import format_duration, format_size
from thcore.pages import history, result
from thcore.pages.bar import per_cent
from thcore.pages.evidence import EvidenceFile, LeftOut
from thcore.pages.excerpt import LINE_LIMIT, Excerpt
from thcore.pages.inline import CHARTS, FILTERING, RENEWAL, SORTING, STYLE, policy
from thcore.pages.listed import ListedBuild
from thcore.pages.text import href, plain, shortened, visible
from thcore.pages.timeline import timeline

__all__ = ["GENERATOR", "INDEX", "Entry", "compile_templates", "history_page", "listing_page"]

GENERATOR = "thcore"
"""The pages name this as their generator, so that one of another origin is told from ours."""
INDEX = "index.html"
"""The page to open, of a site and of each directory."""

_FINDINGS = 20
_LESSER = 1000  # of which there is a line only
_EVIDENCE = 40
_FILES = 2000
_SENTENCE = 2000
_BRIEF = 160
_WEIGHT = re.compile(r"^(?:FAILURE|WARNING) - ")  # as turbo-hipster's messages begin; the page has it beside them
_FORMS = ("console.log", "result.json", "junit.xml", "result.sarif", "summary.md", "history.html")


@frozen
class Entry:
    """A directory or a file of a listing."""

    name: str
    directory: bool
    size: int = 0
    modified: datetime.datetime | None = None


def compile_templates() -> None:
    """Compile every template now; otherwise each is compiled when it is first used."""
    for name in _environment.list_templates(extensions=["j2"]):
        _environment.get_template(name)


def result_page(
    outcome: Outcome,
    files: Sequence[EvidenceFile] = (),
    left_out: Sequence[LeftOut] = (),
    excerpt: Excerpt = Excerpt(),  # noqa: B008 - a frozen value
    environment: Sequence[str] = (),
) -> bytes:
    """The page of a build, beside which there are ``files``. The excerpt's findings are counted in the order of
    ``by_weight``; ``environment`` are the lines of ``environment.txt``."""
    names = {file.name for file in files}
    viewers = {name: viewer for name in names if (viewer := f"{name}.html") in names}
    evidence = [file for file in files if file.name not in viewers.values()]
    datasets = result.datasets(outcome)
    findings = by_weight(outcome.findings)
    decisive = advice.decisive(outcome)
    failures = sum(finding.severity is Severity.FAILURE for finding in findings)
    return _render(
        "result.html.j2",
        outcome=outcome,
        advice=advice.advice(outcome),
        decisive=decisive,
        decisive_step=result.step_of(outcome, decisive) if decisive else None,
        more_failures=max(failures - 1, 0),
        findings=[evolve(finding, evidence=_bounded(finding.evidence)) for finding in findings[:_FINDINGS]],
        lesser=findings[_FINDINGS : _FINDINGS + _LESSER],
        more_findings=max(len(findings) - _FINDINGS - _LESSER, 0),
        datasets=datasets,
        timeline=timeline(outcome, datasets),
        excerpt=excerpt,
        command=repetition.command(outcome.job, outcome.change),
        environment=environment,
        forms=[(viewers.get(name, name), name) for name in _FORMS if name in names],
        files=evidence[:_FILES],
        more_files=max(len(evidence) - _FILES, 0),
        viewer=viewers.get("console.log", ""),
        viewers=viewers,
        left_out=left_out[:_FILES],
        total_size=sum(file.size for file in evidence),
        has_log="console.log" in names,
        trail=_trail(tuple(part for part in outcome.log_path.split("/") if part)),
    )


def listing_page(
    path: Sequence[str], entries: Sequence[Entry], more: int = 0, builds: Sequence[ListedBuild] = ()
) -> bytes:
    """The page of a directory. ``path`` are the names that lead to it from the root; ``more`` entries are not shown.
    ``builds`` are those below it, in the order in which they are shown."""
    return _render(
        "listing.html.j2",
        script=SORTING + FILTERING,
        path=tuple(path),
        builds=builds,
        directories=[entry for entry in entries if entry.directory],
        files=[entry for entry in entries if not entry.directory],
        more=more,
        trail=_trail(tuple(path)),
    )


def history_page(
    past: JobHistory,
    path: Sequence[str],
    *,
    this: Outcome | None = None,
    address: history.Address = history.published,
) -> bytes:
    """The page of a job's history. ``path`` are the names of the directories that lead to it from the root; ``this`` is
    the build whose page it is, if it is one's; ``address`` tells where an attempt's page is."""
    seen = history.view(past, this, address)
    trail = _trail(tuple(path), "history" if this else past.job)
    return _render(
        "history.html.j2",
        style=STYLE + CHARTS,
        view=seen,
        job=past.job,
        told=history.sentence(seen),
        trail=trail,
    )


def live_page(standing: Standing, tail: Sequence[str], size: int, pieces: Sequence[str], every_s: float) -> bytes:
    """The page of a build that runs. ``tail`` are the last lines of its log of ``size`` bytes, ``pieces`` the names of
    those that are beside the page, which is read again every ``every_s`` seconds."""
    findings = by_weight(standing.findings)
    return _render(
        "live.html.j2",
        script=RENEWAL,
        standing=standing,
        findings=findings[:_FINDINGS],
        more_findings=max(len(findings) - _FINDINGS, 0),
        done=per_cent(standing.progress.done, standing.progress.total) if standing.progress else 0.0,
        tail=tail,
        size=size,
        pieces=pieces,
        every_s=max(1, round(every_s)),
        trail=_trail(tuple(part for part in standing.log_path.split("/") if part)),
    )


def viewer_page(*, style: Markup, script: Markup, **values: object) -> bytes:
    """The page of a log; ``thcore.pages.viewer`` says what is on it."""
    return _render("viewer.html.j2", style=style, script=script, **values)


def _render(template: str, *, style: Markup = STYLE, script: Markup = SORTING, **values: object) -> bytes:
    """``style`` and ``script`` are all that the page has of each."""
    page = _environment.get_template(template).render(values, style=style, script=script)
    # What visible() has not seen are our own words; "replace" is for a page rather than none.
    return page.encode("utf-8", "replace")


def _trail(names: tuple[str, ...], page: str = "") -> tuple[tuple[str, str], ...]:
    """The directories on the way, the root first, each with its address from the page in the last one; then ``page``,
    where it is another one than that directory's own."""
    ups = range(len(names), -1, -1)
    directories = tuple((name, "../" * up + INDEX) for name, up in zip(("builds", *names), ups, strict=True))
    return (*directories, (page, "")) if page else directories


def _bounded(evidence: tuple[str, ...]) -> tuple[str, ...]:
    shown = tuple(line for text in evidence[:_EVIDENCE] for line in text.split("\n"))[:_EVIDENCE]
    rest = len(evidence) - _EVIDENCE
    return (*shown, f"… {rest} more lines in result.json") if rest > 0 else shown


def _line(text: str) -> str:
    return shortened(plain(text), LINE_LIMIT)


def _sentence(text: str) -> str:
    return shortened(text.strip(), _SENTENCE)


def _message(text: str) -> str:
    return _sentence(_WEIGHT.sub("", text.strip()))


def _brief(text: str) -> str:
    return shortened(_WEIGHT.sub("", text.strip()), _BRIEF)


def _finalize(value: object) -> object:
    # Values that are no text yet, such as a change, become text here, so that none gets past.
    return value if isinstance(value, Markup) else visible(str(value))


_environment = jinja2.Environment(
    loader=jinja2.PackageLoader(__package__),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    finalize=_finalize,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals.update(generator=GENERATOR, version=__version__, index=INDEX, policy=policy)
_environment.filters.update(
    duration=format_duration,
    size=format_size,
    moment=result.moment,
    href=href,
    line=_line,
    sentence=_sentence,
    message=_message,
    brief=_brief,
)
