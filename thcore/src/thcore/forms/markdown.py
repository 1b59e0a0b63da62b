"""A result as a comment in Markdown, folded where it is long, and of bounded size.

Whatever others have written stands in code: there it mentions nobody, links nowhere, and is no HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from thcore.forms.advice import AUTHOR, Action, advice, hinted, shown_by
from thcore.forms.evidence import ends
from thcore.forms.legible import bounded
from thcore.model import DatasetRun, Finding, Outcome, Severity, StageResult, StepResult, Verdict, repetition
from thcore.model.finding import by_weight
from thcore.model.quantity import format_duration

__all__ = ["to_markdown"]

LIMIT = 65_536
"""Characters that the comments of most review systems take."""
LEAST = 10_000
"""Verdict, reason and advice take up to this, should somebody fill them with backticks."""
ADDRESS_LIMIT = 1_000
NAME_LIMIT = 120
MESSAGE_LIMIT = 400
HINT_LIMIT = 800
"""Characters of a name, of a message or a line of evidence, and of advice. result.json has all of them."""
EVIDENCE_LINES = 20

_ICON = {
    Verdict.SUCCESS: "\u2705",
    Verdict.FAILURE: "\u274c",
    Verdict.UNVERIFIED: "\u2753",
    Verdict.CANCELLED: "\u23f9\ufe0f",
}
_WORD = {
    Severity.FAILURE: "failure",
    Severity.UNVERIFIED: "not measured",
    Severity.WARNING: "warning",
    Severity.INFO: "note",
}
_OVER = {
    Severity.FAILURE: "**over its limit**",
    Severity.UNVERIFIED: "unverified: over its limit",
    Severity.WARNING: "warning: over its limit",
    Severity.INFO: "excused from its limit",
}
"""How it is told that a step went above a limit."""
_BACKTICKS = re.compile("`+")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_ROOM = 200
"""Characters that are kept for telling what was left out."""


def to_markdown(outcome: Outcome, limit: int = LIMIT) -> str:
    """The comment, at most ``limit`` characters long, as GitHub and GitLab show it.

    First the verdict, why, and what to do next; then a line for each finding, the heaviest first; then, folded, their
    evidence and the steps of each dataset. What has no room is left out from the end, and the last line says so. Raises
    ValueError for a limit below ``LEAST``.
    """
    if limit < LEAST:
        raise ValueError(f"a comment has no room in {limit} characters; it takes at least {LEAST}")
    findings = by_weight(outcome.findings)
    blocks = [_head(outcome)]
    room = limit - _ROOM - len(blocks[0])
    listed = _fitting(_listed(findings), room)
    blocks += ["\n".join(listed)] if listed else []
    room -= sum(len(line) + 1 for line in listed) + 1
    folded = [
        *_evidence(findings[: len(listed)], hinted(outcome)),
        *(_dataset(run) for run in outcome.datasets),
        _folded("Try it without Zuul", _fenced([bounded(repetition.command(outcome.job, outcome.change), HINT_LIMIT)])),
    ]
    kept = _fitting(folded, room, apart=2)
    blocks += kept
    left = (len(findings) - len(listed), len(folded) - len(kept))
    if any(left):
        blocks.append(_left_out(*left))
    return "\n\n".join(blocks) + "\n"


def _fitting(parts: Sequence[str] | Iterator[str], room: int, apart: int = 1) -> list[str]:
    """The first of them, as many as there is room for."""
    kept: list[str] = []
    for part in parts:
        room -= len(part) + apart
        if room < 0:
            break
        kept.append(part)
    return kept


def _left_out(findings: int, folded: int) -> str:
    told = [f"{findings:,} more finding{'s' if findings > 1 else ''}"] if findings else []
    told += ["more evidence and steps"] if folded else []
    return f"… and {' and '.join(told)}, for which there is no room here; result.json has everything."


def _head(outcome: Outcome) -> str:
    took = format_duration(outcome.duration_s)
    told = advice(outcome)
    lines = [
        f"### {_ICON[outcome.verdict]} {outcome.verdict.value}: {code(outcome.job, NAME_LIMIT)}",
        "",
        f"{told.meaning} {code(outcome.summary, MESSAGE_LIMIT)}",
        "",
        *(f"{code(line, MESSAGE_LIMIT)}\n" for line in shown_by(outcome)),
    ]
    if told.actions:
        lines += ["**What to do next**", "", *_actions(told.actions, hinted(outcome)), ""]
    facts = [f"{code(str(outcome.change), NAME_LIMIT)} in {took}"]
    if outcome.attempt > 1:
        facts.append(f"attempt {outcome.attempt}")
    stopped = [
        stage.name.value for stage in outcome.stages if stage.result in {StageResult.FAILED, StageResult.STOPPED}
    ]
    if stopped:
        facts.append(f"ended in stage {stopped[0]}")
    url = next((each.url for each in outcome.publications if _is_address(each.url)), None)
    if url is not None:
        facts.append(f"[evidence](<{url}>)")
    facts.append(f"build {code(outcome.build, NAME_LIMIT)}")
    return "\n".join([*lines, ", ".join(facts)])


def _actions(actions: Sequence[Action], quoted: Finding | None) -> Iterator[str]:
    for action in actions:
        theirs = quoted is not None and quoted.hint and quoted.hint in action.words
        who = action.who if action.who == AUTHOR else code(action.who, NAME_LIMIT)
        yield f"- {who}: {code(action.words, HINT_LIMIT) if theirs else action.words}"
        if action.command:
            yield f"  {code(action.command, HINT_LIMIT)}"


def _listed(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings:
        where = str(finding.location)
        place = f" ({code(where, MESSAGE_LIMIT)})" if where else ""
        what = f"{code(finding.code, NAME_LIMIT)} {code(finding.message, MESSAGE_LIMIT)}"
        yield f"- **{_WORD[finding.severity]}** {what}{place}"


def _evidence(findings: Sequence[Finding], quoted: Finding | None) -> Iterator[str]:
    for finding in findings:
        lines = [bounded(line, MESSAGE_LIMIT) for line in ends(finding.evidence, EVIDENCE_LINES)]
        hint = None if finding is quoted else finding.hint  # that one stands at the top
        parts = [_fenced(lines)] if lines else []
        parts += [f"What to do next: {code(hint, HINT_LIMIT)}"] if hint else []
        parts += [code(finding.command, HINT_LIMIT)] if hint and finding.command else []
        if parts:
            yield _folded(f"Evidence of <code>{_html(finding.code, NAME_LIMIT)}</code>", *parts)


def _dataset(run: DatasetRun) -> str:
    added = [result for result in run.steps if result.added]
    earlier = len(run.steps) - len(added)
    counted = f"{len(added)} new step{'' if len(added) == 1 else 's'}" + (f" after {earlier}" if earlier else "")
    engine = _html(f"{run.engine} {run.engine_version}", NAME_LIMIT)
    title = f"Dataset <code>{_html(run.name, NAME_LIMIT)}</code> on <code>{engine}</code>: {counted}"
    return _folded(title, "\n".join(map(_step, added)) or "The change adds no step that was run here.")


def _step(result: StepResult) -> str:
    # No table: a bar after a backslash would end its cell in the middle of code.
    step = result.step
    name = f"{step.chain}:{step.version}" if step.chain else step.version
    title = f" {code(step.title, NAME_LIMIT)}" if step.title else ""
    return f"- {code(name, NAME_LIMIT)}{title}: {code(result.result, NAME_LIMIT)}{_took(result)}"


def _took(result: StepResult) -> str:
    if result.measurement is None:
        return ""
    took = result.measurement.wall_s
    limits = [limit for limit in result.limits if limit.counter == "wall_s" and not limit.table]
    if not limits:
        return f" in {format_duration(took)}"
    least = min(limits, key=lambda limit: limit.maximum)
    against = _OVER[result.weight(least)] if took > least.maximum else "limit"
    return f" in {format_duration(took)}, {against} {format_duration(least.maximum)}"


def _folded(title: str, *blocks: str) -> str:
    inside = "\n\n".join(blocks)
    return f"<details><summary>{title}</summary>\n\n{inside}\n\n</details>"


def _fenced(lines: Sequence[str]) -> str:
    fence = _fence("\n".join(lines), 3)
    return f"{fence}text\n" + "\n".join(lines) + f"\n{fence}"


def code(text: str, limit: int) -> str:
    """The text as a code span on one line, cut at ``limit`` characters."""
    told = bounded(text, limit).replace("\t", " ")
    if not told.strip():
        return "(empty)"
    fence = _fence(told, 1)
    # A blank at both ends is taken off by the reader, and keeps the text's own backticks from the fence.
    pad = " " if "`" in (told[0], told[-1]) or " " in (told[0], told[-1]) else ""
    return f"{fence}{pad}{told}{pad}{fence}"


def _fence(text: str, least: int) -> str:
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    return "`" * max(least, longest + 1)


def _html(text: str, limit: int) -> str:
    return escape(bounded(text, limit))


def _is_address(url: str) -> bool:
    """Whether it can stand between the angle brackets of a link."""
    return len(url) <= ADDRESS_LIMIT and _ADDRESS.fullmatch(url) is not None
