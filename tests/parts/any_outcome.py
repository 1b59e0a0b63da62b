"""Outcomes of any kind, with text in them that is meant to do harm."""

from __future__ import annotations

import datetime

from hypothesis import strategies as st

from thcore.model import (
    Census,
    Change,
    ChangeKind,
    Check,
    ColumnCount,
    Count,
    DatasetRun,
    Finding,
    Limit,
    Location,
    Loss,
    Measurement,
    Outcome,
    PluginInfo,
    Publication,
    Severity,
    StageName,
    StageResult,
    StageRun,
    Step,
    StepResult,
    TableCount,
    Verdict,
    WorkerInfo,
)

MARK = "EVIL"
"""Is in everything hostile, so that a test can see where it ends up."""
HOSTILE = (
    f"<script>alert('{MARK}')</script>",
    f'"><img src=x onerror="{MARK}">',
    f"</code></summary></details><h1>{MARK}",
    f"@{MARK} #1 !1 {MARK}@example.org www.{MARK}.org https://{MARK}.example.org/",
    f"[{MARK}](https://{MARK}.example.org) ![{MARK}](x) <https://{MARK}.org>",
    f"` {MARK} `` {MARK} ``` {MARK} ````",
    f"```\n# {MARK}\n\n- {MARK}\n~~~\n",
    f"| {MARK} | \\| {MARK} \\\\| {MARK} |",
    f"\x1b[31m{MARK}\x1b]0;{MARK}\x07\x1b[2J\r\n\x00\x08\x7f\x85",
    f"\u202e{MARK}\u2066\u200b\ufeff\u2028{MARK}\u2029",
    f"\ud800{MARK}\udfff\udc80",
    f"\ufffe\uffff\U0001ffff{MARK}",
    f"]]>{MARK}&amp;&#0;<!--{MARK}-->",
    f"../../{MARK}",
    f"//{MARK}.example.org/x",
    f"javascript:alert({MARK})",
    f"{{0}} {MARK} %s {{{{ {MARK} }}}}",
    f"   {MARK}\t",
    "`" * 300,
    MARK * 3000,
    " ",
    "",
)

AT = datetime.datetime(2026, 3, 14, 9, 26, 53, tzinfo=datetime.UTC)

texts = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=()), max_size=12)
_maybe = st.none() | texts
_few = {"max_size": 3}
_seconds = st.floats(-10, 1e7)
_times = st.integers(-1000, 10**6).map(lambda seconds: AT + datetime.timedelta(seconds=seconds))
_counters = st.dictionaries(texts, st.none() | st.integers(-(10**20), 10**20), **_few)
_versions = st.lists(texts, max_size=2).map(tuple)

_locations = st.builds(Location, _maybe, st.none() | st.integers(-1, 10**6), _maybe, _maybe)
findings = st.builds(
    Finding,
    texts,
    st.sampled_from(Severity),
    texts,
    _locations,
    st.lists(texts, **_few).map(tuple),
    _maybe,
    _maybe,
)
_limits = st.builds(Limit, st.just("wall_s") | texts, _seconds, texts)
_losses = st.builds(Loss, texts, _maybe, st.integers(0, 10**9), st.none() | st.integers(0, 10**9))
_counts = st.builds(Count, *(st.none() | st.integers(0, 10**9) for _ in range(2)))
_reasons = st.dictionaries(st.sampled_from(["before", "after", "empty", "distinct"]), texts, **_few)
_columns = st.builds(ColumnCount, texts, _counts, _counts, _counts, _reasons)
_tables = st.builds(TableCount, texts, _counts, st.lists(_columns, **_few).map(tuple), texts, _reasons)
_censuses = st.builds(
    Census,
    st.lists(_tables, **_few).map(tuple),
    st.dictionaries(texts, st.integers(0, 10**9), **_few),
    st.integers(0, 10**6),
    texts,
    _reasons,
)
_results = st.builds(
    StepResult,
    st.builds(Step, texts, _versions, texts, _maybe, texts),
    st.booleans(),
    st.sampled_from(["ok", "failed", "not-run"]),
    st.none() | st.builds(Measurement, _seconds, _counters),
    st.lists(_limits, **_few).map(tuple),
    st.lists(_losses, **_few).map(tuple),
    texts,
    census=st.none() | _censuses,
)
_runs = st.builds(
    DatasetRun,
    *(texts for _ in range(5)),
    *(_versions for _ in range(3)),
    st.lists(_results, **_few).map(tuple),
    texts,
    st.dictionaries(texts, texts, **_few),
    st.lists(st.builds(Check, texts, st.sampled_from(["ok", "failed", "unverified"]), texts), **_few).map(tuple),
)
_stages = st.builds(
    StageRun, st.sampled_from(StageName), st.sampled_from(StageResult), st.none() | _times, st.none() | _times
)

outcomes = st.builds(
    Outcome,
    job=texts,
    build=texts,
    attempt=st.integers(1, 5),
    change=st.builds(Change, texts, st.sampled_from(ChangeKind), _maybe, _maybe, _maybe, _maybe, _maybe, _maybe),
    log_path=texts,
    verdict=st.sampled_from(Verdict),
    summary=texts,
    worker=st.builds(WorkerInfo, texts, texts, texts),
    started=_times,
    ended=_times,
    commit=_maybe,
    timed_out=st.booleans(),
    stages=st.lists(_stages, max_size=5).map(tuple),
    plugins=st.lists(st.builds(PluginInfo, texts, texts, texts), unique=True, **_few).map(tuple),
    datasets=st.lists(_runs, max_size=2).map(tuple),
    findings=st.lists(findings, max_size=4).map(tuple),
    artifacts=_versions,
    publications=st.lists(st.builds(Publication, texts, texts), max_size=2).map(tuple),
)
"""Anything at all, also what no build comes to."""
