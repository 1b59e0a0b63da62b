from __future__ import annotations

import datetime
import html.parser
import re
from urllib.parse import unquote

import pytest
from attrs import evolve, field, frozen

from thcore.model import (
    Excuse,
    Finding,
    Limit,
    Location,
    Loss,
    Measurement,
    Outcome,
    Severity,
    Statement,
    Step,
    StepResult,
    TableLock,
    Verdict,
)
from thcore.pages import html as pages
from thcore.pages.evidence import EvidenceFile, LeftOut
from thcore.pages.excerpt import Excerpt, LogLine
from thcore.pages.listed import ListedBuild
from thcore.pages.watched import felt, watched

from parts import outcomes
from parts.hostile_outcome import HOSTILE, hostile_outcome

MOMENT = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)

VOID = {"meta", "link", "img", "br", "hr", "input"}


@frozen
class Page:
    """What a parser sees in a page."""

    text: str
    tags: list[tuple[str, dict[str, str | None]]] = field(factory=list)

    def attributes(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(name)) is not None]


class _Reader(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"style", "script"}:
            self.text.append(data)


def read(page: bytes) -> Page:
    """Parse a page; its elements must be closed in order."""
    reader = _Reader()
    reader.feed(page.decode("utf-8"))
    reader.close()
    assert reader.open == []
    return Page(re.sub(r"\s+", " ", "".join(reader.text)), reader.tags)


def test_a_failing_result_says_verdict_reason_dataset_step_and_duration_in_its_banner() -> None:
    banner = read(pages.result_page(outcomes.failing())).text.partition("Findings 2")[0]
    for said in (
        "gate-real-db-upgrade_example",
        "example/shop 12345,2 on main",
        "took 5 m 48 s",
        "FAILURE",
        "Migration b5d083fa1c46 took too long",
        "Step b5d083fa1c46 read 4,549,686 rows, its limit is 2,000,000",
        "shop-mariadb",
        "b5d083fa1c46",
        "1 m 14 s limit 1 m 00 s",
        "b5d083fa1c46_add_orders.py:31",
    ):
        assert said in banner


def test_findings_come_heaviest_first_with_code_hint_evidence_and_place() -> None:
    text = read(pages.result_page(outcomes.failing())).text
    findings = text.partition("The log lines that matter")[0]
    assert findings.index("migration-too-slow") < findings.index("deprecated-call")
    assert "Add the column with ALGORITHM=INSTANT" in text
    assert "observer: b5d083fa1c46 took 74.3 s" in text
    assert "example/models/orders.py:118" in text


def test_steps_show_where_they_lead_their_time_and_how_each_limit_was_set() -> None:
    text = read(pages.result_page(outcomes.failing())).text
    assert "a4cf72e90b35 → b5d083fa1c46" in text
    assert "base → 1f0a4c7be210" in text
    assert "MariaDB 10.11.6" in text
    assert "PostgreSQL 15.8" in text
    assert "over its limit" in text
    assert "config.json: maximum_migration_times.default" in text
    assert "134.5 MiB of 256.0 MiB" in text
    assert "not measured of 256.0 MiB" in text  # a counter that the engine cannot tell
    assert "10 earlier steps, not part of this change" in text


def test_a_step_that_may_be_above_its_limit_is_excused_with_reason_owner_and_day() -> None:
    excuse = Excuse("the shop is <closed>", "schema-team", "2027-03-31")
    step = StepResult(
        Step("b", ("a",)),
        added=True,
        result="ok",
        measurement=Measurement(1.0, {"wal_bytes": 7}),
        limits=(Limit("wal_bytes", 5, "there", excuse=excuse),),
    )
    outcome = outcomes.passing()
    passed = evolve(outcome, datasets=(evolve(outcome.datasets[0], steps=(step,)),))
    text = read(pages.result_page(passed)).text
    assert "excused until 2027-03-31 (schema-team): the shop is <closed>" in text
    assert "over its limit" not in text
    other = evolve(step, limits=(*step.limits, Limit("wal_bytes", 6, "here", "orders", value=7)))
    both = evolve(passed, datasets=(evolve(passed.datasets[0], steps=(other,)),))
    assert "over its limit" in read(pages.result_page(both)).text


@pytest.mark.parametrize(
    ("weight", "tone", "words"),
    [
        (Severity.FAILURE, "failure", "over its limit"),
        (Severity.WARNING, "unverified", "warning: over its limit"),
        (Severity.UNVERIFIED, "unverified", "unverified: over its limit"),
    ],
)
def test_a_limit_is_as_red_as_what_it_comes_to_whatever_else_has_failed(
    weight: Severity, tone: str, words: str
) -> None:
    outcome = outcomes.failing()
    *others, of = outcome.datasets
    slow = StepResult(
        Step("b", ("a",)),
        added=True,
        result="ok",
        measurement=Measurement(74.0),
        limits=(Limit("wall_s", 60, "config.json", weight=weight),),
    )
    failed = Finding("migration-not-ended", Severity.FAILURE, "it failed", Location(dataset=of.name, step="c"))
    page = pages.result_page(
        evolve(outcome, datasets=(*others, evolve(of, steps=(slow,))), findings=(failed,))
    ).decode()

    row = page[page.index('<tr>\n<td class="step" data-value="1"><b><bdi>b<') :].partition("</tr>")[0]
    assert f'<span class="tag {tone}">{words}</span>' in row
    assert f'<b class="{tone}">1 m 14 s</b> of 1 m 00 s' in row
    assert f'<svg class="bar {tone}"' in row
    word = words.partition(":")[0]
    assert (f'<b class="{tone}">{word}</b>' in row) is (tone == "unverified")
    assert ('<span class="tag failure">' in row) is (weight is Severity.FAILURE)


def test_the_steps_of_a_release_are_folded_under_its_name_and_the_changes_are_open() -> None:
    of = outcomes.passing().datasets[0]
    legs = ["release kilo"] * 4 + ["main"] * 6 + ["", ""]
    steps = [evolve(step, leg=leg, from_snapshot=leg == "main") for step, leg in zip(of.steps, legs, strict=True)]
    losses = (Loss("orders", "currency", 9000, 12), Loss("old", None, 3, None))
    steps[10] = evolve(steps[10], losses=losses, step=evolve(steps[10].step, chain="alembic_version_fab"))
    run = evolve(of, steps=tuple(steps), conditions={"clone": "reflink", "file_system": "xfs"})
    page = read(pages.result_page(evolve(outcomes.passing(), datasets=(run,))))
    assert "release kilo: 4 steps, 7.5 s " in page.text
    assert "main: 6 steps, 17 s, by an earlier build" in page.text
    assert "clone reflinkfile system xfs" in page.text
    assert "of alembic_version_fab" in page.text
    assert "lost values of orders.currency: 9,000 → 12" in page.text
    assert "lost rows of old: 3 → dropped" in page.text
    folds = [attributes for tag, attributes in page.tags if tag == "details"]
    assert len(folds) == 2
    assert not any("open" in attributes for attributes in folds)
    assert page.text.index("Add orders.archived_at") < page.text.index("release kilo")


def test_a_release_with_a_step_that_failed_is_open() -> None:
    of = outcomes.passing().datasets[0]
    steps = tuple(evolve(step, leg="release kilo", added=False) for step in of.steps[:5])
    run = evolve(of, steps=(*steps[:-1], evolve(steps[-1], result="failed")))
    page = read(pages.result_page(evolve(outcomes.unverified(), datasets=(run,))))
    (fold,) = [attributes for tag, attributes in page.tags if tag == "details"]
    assert "open" in fold


def test_the_dataset_with_trouble_comes_first() -> None:
    page = read(pages.result_page(outcomes.failing()))
    overview = page.text.partition("New steps")[2]
    assert overview.index("shop-mariadb") < overview.index("shop-postgresql")


@pytest.mark.parametrize(
    ("outcome", "meaning"),
    [
        (outcomes.passing(), "There is nothing to do."),
        (outcomes.failing(), "The change needs another look"),
        (outcomes.unverified(), "That is not the fault of this change"),
        (outcomes.cancelled(), "It was stopped before it had a verdict."),
    ],
    ids=lambda value: value.verdict.value if isinstance(value, Outcome) else "",
)
def test_every_verdict_says_what_it_means_for_the_author(outcome: Outcome, meaning: str) -> None:
    page = read(pages.result_page(outcome))
    assert meaning in page.text
    assert f"banner {outcome.verdict.value.lower()}" in page.attributes("class")


def test_a_result_with_nothing_in_it_still_makes_a_page() -> None:
    bare = evolve(outcomes.cancelled(), stages=(), plugins=(), commit=None, summary="")
    page = read(pages.result_page(bare))
    assert "No stage was started." in page.text
    assert "There is no log." in page.text


def test_a_timeout_is_named() -> None:
    page = read(pages.result_page(evolve(outcomes.cancelled(), timed_out=True)))
    assert "The job's time was over after 5 m 48 s." in page.text


def test_a_step_that_did_not_run_and_one_that_failed_are_told_apart() -> None:
    broken = outcomes.dataset("shop-mariadb", "MariaDB", "10.11.6", outcomes.steps(broken=True))
    text = read(pages.result_page(evolve(outcomes.failing(), datasets=(broken,), findings=()))).text
    assert "b5d083fa1c46_add_orders.archived_at_and_ind.py failed 1 m 14 s" in text
    assert "c6e1940b2d57_move_archived_orders_to_a_part.py not run \u2013" in text
    assert "to a4cf72e90b35, expected c6e1940b2d57" in text
    assert "not run \u2013 \u2013" in text  # a limit says nothing about a step that was not tried


def test_a_banner_does_not_hide_that_there_are_more_failures() -> None:
    failing = outcomes.failing()
    decisive = next(finding for finding in failing.findings if finding.severity is Severity.FAILURE)
    again = evolve(decisive, location=Location(dataset="shop-postgresql"))
    banner = read(pages.result_page(failing)).text.partition("Findings")[0]
    assert "more failure" not in banner
    banner = read(pages.result_page(evolve(failing, findings=(*failing.findings, again)))).text.partition("Findings")[0]
    assert "1 more failure below" in banner


def test_a_page_asks_nothing_of_anyone_else() -> None:
    page = read(pages.result_page(outcomes.failing()))
    policies = [attributes for tag, attributes in page.tags if attributes.get("http-equiv")]
    directives = dict(str(directive).split(" ", 1) for directive in str(policies[0]["content"]).split("; "))
    assert directives["default-src"] == "'none'"
    assert all(re.fullmatch(r"'sha256-\S+'", directives[name]) for name in ("style-src", "script-src"))
    assert "unsafe" not in str(policies[0]["content"])
    assert not {"iframe", "img", "object"} & {tag for tag, _ in page.tags}
    assert not page.attributes("style"), "the policy takes none"
    for address in (*page.attributes("href"), *page.attributes("src")):
        assert address.startswith(("#", "./", "../", "data:", "console.log", "result.json", "index.html"))


def assert_harmless(page: bytes) -> Page:
    """Hostile text is text: no element, no attribute, no hidden character came of it."""
    seen = read(page)
    assert [tag for tag, _ in seen.tags if tag in {"script", "img"}] == ["script"]
    assert not any(name.startswith("on") for _, attributes in seen.tags for name in attributes)
    assert "<script>alert(2)</script>{{ 7 * 7 }}" in seen.text
    raw = page.decode("utf-8")
    assert raw.count("<script") == 1, "the one of ours"
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", raw)
    return seen


def test_hostile_text_anywhere_in_an_outcome_is_shown_harmlessly() -> None:
    files, left_out = [EvidenceFile(HOSTILE, 1, MOMENT)], [LeftOut(HOSTILE, "symbolic link")]
    excerpt = Excerpt(((LogLine(1, HOSTILE, HOSTILE, HOSTILE, 0),),), 1, {0: 1})
    seen = assert_harmless(pages.result_page(hostile_outcome(), files, left_out, excerpt))
    assert "\\u202egnp.exe" in seen.text


def test_hostile_names_are_shown_harmlessly_in_listings() -> None:
    entries = [
        pages.Entry(HOSTILE, directory=False, size=3),
        pages.Entry(HOSTILE, directory=True),
    ]
    build = ListedBuild(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, MOMENT, 1.0)
    seen = assert_harmless(pages.listing_page([HOSTILE], entries, 7, [build]))
    links = [address for address in seen.attributes("href") if address.startswith("./")]
    led = [unquote(link, errors="surrogateescape") for link in links]
    assert led == [f"./{HOSTILE}/index.html", f"./{HOSTILE}/index.html", f"./{HOSTILE}"]
    assert "7 more are not listed here." in seen.text


def test_a_name_that_looks_like_a_scheme_stays_a_name() -> None:
    page = read(pages.listing_page([], [pages.Entry("javascript:alert(1)", directory=False)]))
    assert "./javascript%3Aalert%281%29" in page.attributes("href")


def test_long_texts_and_many_findings_are_bounded() -> None:
    finding = Finding("long", Severity.WARNING, "m" * 10_000, evidence=("e" * 10_000,) * 1000)
    many = evolve(outcomes.outcome(Verdict.SUCCESS, "fine"), findings=(finding,) * 3000)
    files = tuple(EvidenceFile(f"file-{number}", 1, MOMENT) for number in range(5000))
    page = pages.result_page(many, files)
    assert len(page) < 2_000_000
    text = read(page).text
    assert "1,000 more findings, a line for each" in text
    assert "1,980 more findings are in result.json" in text
    assert "3000 more files" in text
    assert "960 more lines in result.json" in text


def test_each_statement_of_a_step_is_on_its_time_line_with_what_it_did_to_tables_and_who_waited() -> None:
    page = read(pages.result_page(outcomes.watched()))

    assert "What b5d083fa1c46 did: 4 statements; writers of orders waited 41 s" in page.text
    assert "ALTER TABLE orders MODIFY total BIGINT NOT NULL" in page.text
    assert "copies orders (1,200,000 rows, 135.0 MiB)" in page.text
    assert "changes metadata of orders only" in page.text
    assert "\N{MULTIPLICATION SIGN} 4,000" in page.text
    assert "readers of orders" not in page.text, "ten milliseconds are no wait"
    assert "1062 Duplicate entry '7' for key 'ix_orders_number'" in page.text
    assert "took 42 s" in page.attributes("aria-label")


def test_rows_that_offend_are_shown_with_the_query_that_finds_them_and_whether_they_are_to_blame() -> None:
    text = read(pages.result_page(outcomes.watched())).text

    assert "3 rows of orders: the same values more than once in number" in text
    assert "SELECT number, COUNT(*) FROM orders GROUP BY number HAVING COUNT(*) > 1" in text
    assert "numbernotename" in text
    assert "7NULLempty text" in text, "what is not there, and what is a text of no length"
    assert "and 2 more" in text
    assert "it is the data that it fails on" in text


def test_what_else_was_tried_is_told_with_its_result() -> None:
    text = read(pages.result_page(outcomes.watched())).text

    tried = text.partition("Also tried")[2]
    assert "round tripb5d083fa1c46failed" in tried
    assert "orders.total: 12 values differ" in tried
    assert "same schemaok" in tried


def test_each_lock_that_somebody_may_have_waited_for_is_on_the_time_line_of_its_step() -> None:
    text = read(pages.result_page(outcomes.watched())).text

    strong = text.index("readers and writers wait (EXCLUSIVE)")
    assert strong < text.index("writers wait (SHARED_NO_WRITE)", strong)
    assert "writers of the same rows wait (SHARED_WRITE, 2,400 rows)" in text
    assert "SHARED_UPGRADABLE" not in text, "changes of the schema alone would have to wait"


def test_a_lock_that_a_stronger_one_was_there_beside_all_the_time_is_not_worth_a_line() -> None:
    strong = TableLock("orders", "ACCESS EXCLUSIVE", "all", 1.0, 1.1, 2.0)
    beside, longer = evolve(strong, mode="SHARE", against="writers"), evolve(strong, mode="SHARE", held_s=1.5)
    index, other = evolve(beside, index="by_name"), evolve(beside, table="people")

    assert felt((strong, beside, longer, index, other)) == (strong, longer, other)
    assert felt((evolve(strong, index="by_name"), strong)) == (evolve(strong, index="by_name"), strong)


def test_of_very_many_locks_those_that_keep_out_most_are_shown() -> None:
    locks = tuple(TableLock(f"table{number}", "SHARE", "writers", 1.0, 1.1) for number in range(20))
    run = StepResult(Step("many"), True, "ok", Measurement(2.0, locks=locks))  # noqa: FBT003 - a value's field
    seen = watched(run)

    assert seen is not None
    assert ([each.what for each in seen.locks], seen.more_locks) == ([f"table{number}" for number in range(12)], 8)


def test_of_very_many_statements_the_longest_are_shown_and_one_that_failed() -> None:
    many = [Statement(f"SELECT {number}", number / 100, 0.001 * number) for number in range(200)]
    many[0] = Statement("SELECT broken", 0.0, 0.0, error="1064 syntax")
    step = Step("b5d083fa1c46")
    run = StepResult(step, True, "failed", Measurement(2.0, statements=tuple(many)))  # noqa: FBT003 - a value's field
    base = outcomes.failing()

    text = read(pages.result_page(evolve(base, datasets=(evolve(base.datasets[1], steps=(run,)),)))).text

    assert "did: 200 statements" in text
    assert "SELECT broken" in text
    assert "SELECT 199" in text
    assert "SELECT 100" not in text
    assert "140 shorter statements are in" in text


def test_lines_of_the_log_are_linked_in_the_viewer_where_there_is_one() -> None:
    of = outcomes.failing()
    lines = Excerpt(
        ((LogLine(120, "text", finding=0),),), 500, {0: 120}, {("shop-mariadb", "b5d083fa1c46"): 88}
    )  # fmt: skip
    log, viewer = (EvidenceFile(name, 1, of.ended) for name in ("console.log", "console.log.html"))

    with_it = read(pages.result_page(of, [log, viewer], (), lines))
    assert {"console.log.html#L120", "console.log.html#L88"} <= set(with_it.attributes("href"))
    assert "1 file, 1 B" in with_it.text, "a viewer is no file of the evidence"

    without = read(pages.result_page(of, [log], (), lines))
    assert "#line-120" in without.attributes("href")
    assert "#line-88" not in without.attributes("href"), "a line that is not on the page"


def test_other_forms_of_the_result_are_linked_where_the_site_has_them() -> None:
    of = outcomes.failing()
    files = [EvidenceFile(name, 1, of.ended) for name in ("result.json", "junit.xml", "history.html")]

    links = read(pages.result_page(of, files)).attributes("href")

    assert {"result.json", "junit.xml", "history.html"} <= set(links)
    assert not {"result.sarif", "summary.md", "console.log"} & set(links)


def test_the_page_has_the_command_that_repeats_the_build_and_the_packages_that_it_ran_with() -> None:
    text = read(pages.result_page(outcomes.failing(), environment=("alembic==1.20.1", "psycopg==3.3.9"))).text

    assert (
        "thcore run --project=example/shop --branch=main --ref=refs/zuul/main/Zc3f1a9d2b7e84f0"
        " -- gate-real-db-upgrade_example"
    ) in text
    assert "The environment it ran in: 2 packages" in text
    assert "alembic==1.20.1" in text


def test_of_very_many_steps_those_that_matter_are_shown_and_the_page_says_how_many_are_not() -> None:
    step = outcomes.steps()[0]
    steps = tuple(evolve(step, step=evolve(step.step, version=f"v{number}")) for number in range(3000))
    slow = evolve(step, step=Step("slow"), measurement=Measurement(99.0))
    failed = evolve(step, step=Step("broken"), result="failed")
    run = evolve(outcomes.passing().datasets[0], steps=(*steps, slow, failed))

    page = pages.result_page(evolve(outcomes.passing(), datasets=(run,)))

    text = read(page).text
    assert len(page) < 2_000_000
    assert "2,202 shorter steps are in result.json" in text
    assert "\N{RIGHTWARDS ARROW} slow" in text
    assert "\N{RIGHTWARDS ARROW} broken" in text
