"""The lines of a build log that matter: its end, what stands around the evidence of the findings, and where the steps
that they point to start and end.

The log is read once, in a stream, so that its length costs time but no memory.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO

from attrs import field, frozen

from thcore.model import DatasetRun, Finding
from thcore.pages.text import plain

LINE_LIMIT = 500
"""Characters of a line that are shown."""

_TAIL = 30
_AROUND = 140
_PER_FINDING = 40
_BEFORE = 3
_AFTER = 3
_BEFORE_END = 12  # what a step said before the line that tells its end
_NAMED = 8  # words of a line that may name the step that it is about
_SHORTEST_EVIDENCE = 6  # shorter lines, such as a lone bracket, are found everywhere
_READ_AT_MOST = 16 * 1024  # bytes of one line
_COMPARED = 1000  # characters; evidence may have been cut by whoever took it
_STRUCTURE = re.compile(r"(\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d)\S*Z) (\S+) \| ?(.*)", re.DOTALL)


@frozen
class LogLine:
    """One line of the log. ``number`` counts from 1, ``time`` is HH:MM:SS in UTC. ``finding`` is the index of the
    finding whose evidence the line is or whose step it names, None for a line that stands by it."""

    number: int
    text: str
    time: str = ""
    source: str = ""
    finding: int | None = None


@frozen
class Excerpt:
    """Runs of consecutive lines, in the order of the log, and how many lines the log has.

    ``first_lines`` tells for the index of a finding at which line its step or its evidence starts, ``step_lines`` the
    same for the version of each step of the change on each dataset.
    """

    runs: tuple[tuple[LogLine, ...], ...] = ()
    total: int = 0
    first_lines: Mapping[int, int] = field(factory=dict)
    step_lines: Mapping[tuple[str, str], int] = field(factory=dict)


def take(log: BinaryIO, findings: Sequence[Finding], datasets: Iterable[DatasetRun] = ()) -> Excerpt:
    """Read a log to its end and keep what matters, about 200 lines at most."""
    starts = _Starts(datasets)
    sought = _evidence(findings)
    steps = _steps(findings)
    started: set[int] = set()
    budget = dict.fromkeys(range(len(findings)), _PER_FINDING)
    recent: deque[LogLine] = deque(maxlen=_TAIL)
    kept: dict[int, LogLine] = {}
    following, current, total = 0, 0, 0
    for total, raw in enumerate(_lines(log), start=1):
        text = raw.decode("utf-8", "replace")
        match = _STRUCTURE.match(text)
        body = plain(match[4] if match else text)
        time, source = (match[2], match[3]) if match else ("", "")
        finding = sought.pop(body.strip()[:_COMPARED], None) if sought else None
        reach = _BEFORE
        if finding is None and source in steps:
            finding = next((index for step, index in steps[source] if step.search(body)), None)
            if finding is not None:
                reach = _BEFORE_END if finding in started else _BEFORE
                started.add(finding)
        starts.see(source, body, total)
        line = LogLine(total, body, time, source, finding)
        recent.append(line)
        if finding is not None:
            following, current = _AFTER + 1, finding
            for near in list(recent)[-reach - 1 : -1]:
                _keep(near, kept, budget, finding)
        if following:
            following -= 1
            _keep(line, kept, budget, current)
    kept.update((line.number, line) for line in recent)
    lines = [kept[number] for number in sorted(kept)]
    first_lines: dict[int, int] = {}
    for line in lines:
        if line.finding is not None:
            first_lines.setdefault(line.finding, line.number)
    return Excerpt(_runs(lines), total, first_lines, starts.found)


class _Starts:
    """Where the steps of the change start: at the first line that names them, of the dataset that they run on."""

    def __init__(self, datasets: Iterable[DatasetRun]) -> None:
        self.found: dict[tuple[str, str], int] = {}
        self._sought = {run.name: {step.step.version for step in run.steps if step.added} for run in datasets}

    def see(self, dataset: str, body: str, number: int) -> None:
        if sought := self._sought.get(dataset):
            for word in body.split(None, _NAMED)[:_NAMED]:
                version = word.rpartition("->")[2]
                if version in sought:
                    sought.remove(version)
                    self.found[dataset, version] = number


def _evidence(findings: Sequence[Finding]) -> dict[str, int]:
    """Whose evidence a line is, by its text; the finding that comes first has it."""
    sought: dict[str, int] = {}
    for index, finding in enumerate(findings):
        for evidence in finding.evidence[:_PER_FINDING]:
            match = _STRUCTURE.match(evidence)
            text = plain(match[4] if match else evidence).strip()[:_COMPARED]
            if len(text) >= _SHORTEST_EVIDENCE:
                sought.setdefault(text, index)
    return sought


def _steps(findings: Sequence[Finding]) -> dict[str, list[tuple[re.Pattern[str], int]]]:
    """The steps that findings point to, by the source of the lines that tell of them: what runs on a dataset is logged
    under its name."""
    steps: dict[str, list[tuple[re.Pattern[str], int]]] = {}
    for index, finding in enumerate(findings):
        if finding.location.dataset and finding.location.step:
            name = re.compile(rf"(?<!\S){re.escape(finding.location.step)}(?!\S)")
            steps.setdefault(finding.location.dataset, []).append((name, index))
    return steps


def _keep(line: LogLine, kept: dict[int, LogLine], budget: dict[int, int], finding: int) -> None:
    if line.number not in kept and budget[finding] > 0 and len(kept) < _AROUND:
        kept[line.number] = line
        budget[finding] -= 1


def _runs(lines: Sequence[LogLine]) -> tuple[tuple[LogLine, ...], ...]:
    runs: list[list[LogLine]] = []
    for line in lines:
        if runs and runs[-1][-1].number + 1 == line.number:
            runs[-1].append(line)
        else:
            runs.append([line])
    return tuple(map(tuple, runs))


def _lines(log: BinaryIO) -> Iterator[bytes]:
    while piece := log.readline(_READ_AT_MOST):
        ended = piece.endswith(b"\n")
        yield piece.rstrip(b"\r\n")
        while not ended and (rest := log.readline(_READ_AT_MOST)):
            ended = rest.endswith(b"\n")
