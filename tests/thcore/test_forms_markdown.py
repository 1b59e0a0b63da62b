from __future__ import annotations

import re

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from thcore.forms.advice import advice, shown_by
from thcore.forms.markdown import LEAST, LIMIT, code, to_markdown
from thcore.model import Excuse, Finding, Limit, Measurement, Outcome, Publication, Severity, Step, StepResult

from parts.any_outcome import HOSTILE, MARK, outcomes, texts
from parts.outcomes import cancelled, failing, passing, unverified, watched

MADE = [passing(), failing(), watched(), unverified(), cancelled()]
READER = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough")
OURS = re.compile(r"</?details>|</?summary>|</?code>")


def tokens(text: str) -> list[Token]:
    """What a reader makes of it: blocks, and what is in them."""
    return [each for block in READER.parse(text) for each in (block, *(block.children or ()))]


def uncoded(text: str) -> str:
    """All that a reader shows and that is not code."""
    told = []
    for token in tokens(text):
        if token.type == "text":
            told.append(token.content)
        elif token.type in {"html_block", "html_inline"}:
            told.append(re.sub(r"<code>[^<]*</code>", "", token.content))
    return "\n".join(told)


def in_code(text: str) -> list[str]:
    return [token.content for token in tokens(text) if token.type in {"code_inline", "fence"}]


@pytest.mark.parametrize("outcome", MADE, ids=lambda one: one.verdict.value)
def test_a_comment_begins_with_the_verdict_why_and_what_to_do_next(outcome: Outcome) -> None:
    first, _, reason, *rest = to_markdown(outcome).splitlines()

    assert re.fullmatch(rf"### \S+ {outcome.verdict.value}: `{outcome.job}`", first)
    assert reason == f"{advice(outcome).meaning} `{outcome.summary}`"
    shown = [f"`{line}`" for line in shown_by(outcome)]
    assert [line for line in rest if line][: len(shown)] == shown
    for action in advice(outcome).actions:
        assert any(line.startswith("- ") and action.words in line for line in rest)


@pytest.mark.parametrize("outcome", MADE, ids=lambda one: one.verdict.value)
def test_findings_are_listed_the_heaviest_first(outcome: Outcome) -> None:
    lines = [line for line in to_markdown(outcome).splitlines() if line.startswith("- **")]

    order = ["failure", "not measured", "warning", "note"]
    weights = [order.index(line.split("**")[1]) for line in lines]
    assert weights == sorted(weights)
    for finding in outcome.findings:
        assert any(f"`{finding.code}` `{finding.message}`" in line for line in lines)


def test_evidence_and_steps_are_folded() -> None:
    long = evolve(failing().findings[1], evidence=("at the top", "there, too", "observer: b5d083fa1c46 took 74.3 s"))
    before, _, folded = to_markdown(evolve(failing(), findings=(long,))).partition("<details>")

    assert "`at the top`" in before
    assert "observer: b5d083fa1c46" not in before
    assert "at the top\nthere, too\nobserver: b5d083fa1c46 took 74.3 s" in folded
    assert (
        "`b5d083fa1c46` `Add orders.archived_at and index it`: `ok` in 1 m 14 s, **over its limit** 1 m 00 s" in folded
    )
    assert to_markdown(failing()).count("ALGORITHM=INSTANT") == 1, "what stands at the top is not said again"


def test_a_time_that_the_policy_excuses_is_told_as_that() -> None:
    excuse = Excuse("the shop is closed", "schema-team", "2027-03-31")
    step = StepResult(
        Step("b", ("a",)),
        added=True,
        result="ok",
        measurement=Measurement(74.0),
        limits=(Limit("wall_s", 60, "there", excuse=excuse),),
    )
    run = evolve(passing().datasets[0], steps=(step,))
    assert "excused from its limit 1 m 00 s" in to_markdown(evolve(passing(), datasets=(run,)))


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (Severity.FAILURE, ", **over its limit** 1 m 00 s"),
        (Severity.WARNING, ", warning: over its limit 1 m 00 s"),
        (Severity.UNVERIFIED, ", unverified: over its limit 1 m 00 s"),
    ],
)
def test_a_time_that_only_warns_is_told_as_a_warning(weight: Severity, words: str) -> None:
    limit = Limit("wall_s", 60, "there", weight=weight)
    step = StepResult(Step("b", ("a",)), added=True, result="ok", measurement=Measurement(74.0), limits=(limit,))
    run = evolve(passing().datasets[0], steps=(step,))
    assert f"`ok` in 1 m 14 s{words}" in to_markdown(evolve(passing(), datasets=(run,)))


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(outcome=outcomes, limit=st.integers(LEAST, LIMIT))
def test_what_others_have_written_stands_in_code_only(outcome: Outcome, limit: int) -> None:
    outcome = evolve(outcome, publications=())
    text = to_markdown(outcome, limit)

    text.encode("utf-8")
    assert len(text) <= limit
    assert MARK not in uncoded(text)
    assert not any(token.type in {"link_open", "image"} for token in tokens(text))
    html = "".join(token.content for token in tokens(text) if token.type in {"html_block", "html_inline"})
    assert "<" not in OURS.sub("", html)
    assert html.count("<details>") == html.count("</details>")
    headings = [token for token in tokens(text) if token.type == "heading_open"]
    assert len(headings) == 1
    assert all(char.isprintable() or char in "\n\t\u00a0" for char in text)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_every_finding_is_in_the_comment_whatever_its_text_is(hostile: str) -> None:
    found = Finding(hostile, Severity.FAILURE, hostile, evidence=(hostile,))
    text = to_markdown(evolve(failing(), findings=(found,) * 3))

    (line, *others) = [line for line in text.splitlines() if line.startswith("- **failure**")]
    assert others == [line] * 2
    assert (MARK in hostile) == any(MARK in told for told in in_code(line))


@given(text=texts, limit=st.integers(30, 200))
def test_code_is_one_span_of_what_was_written(text: str, limit: int) -> None:
    (block,) = [token for token in READER.parse(code(text, limit)) if token.type == "inline"]
    if text.strip():
        assert [token.type for token in block.children or ()] == ["code_inline"]
        assert len((block.children or [])[0].content) <= limit
    else:
        assert "\n" not in code(text, limit)


def test_a_comment_has_at_most_so_many_characters_and_says_what_it_leaves_out() -> None:
    endless = "x" * 1_000_000
    many = (evolve(failing().findings[1], message=endless, evidence=(endless,) * 50),) * 300
    outcome = evolve(failing(), findings=many)

    for limit in (LEAST, LIMIT):
        text = to_markdown(outcome, limit)
        assert limit * 0.8 < len(text) <= limit
        listed = text.count("- **failure**")
        assert 0 < listed < 300
        assert (
            f"… and {300 - listed} more findings and more evidence and steps, for which there is no room here" in text
        )
    with pytest.raises(ValueError, match=f"it takes at least {LEAST}"):
        to_markdown(outcome, LEAST - 1)


def test_the_evidence_is_linked_where_its_address_is_one() -> None:
    def linked(url: str) -> list[str]:
        text = to_markdown(evolve(failing(), publications=(Publication(url),)))
        return [str(token.attrs["href"]) for token in tokens(text) if token.type == "link_open"]

    assert linked("https://logs.example.org/1/index.html") == ["https://logs.example.org/1/index.html"]
    for url in (
        "javascript:alert(1)",
        "https://x> [y](z)",
        "https://x\n\n# y",
        "file:///srv/1",
        "https://" + "x" * 9000,
    ):
        assert linked(url) == []
