"""What plugins were promised by the last minor release still holds. The promise is recorded in ``data/contract``."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from thcore import __version__
from thcore.plugins.imports import private_in
from thcore.plugins.public import public_names

from parts.contract import Record, broken, contract

ROOT = Path(__file__).parents[2]
RECORDS = Path(__file__).parent / "data" / "contract"
MAJOR, MINOR = (int(part) for part in __version__.split(".")[:2])
CURRENT = RECORDS / f"{MAJOR}.{MINOR}.json"
BEFORE = RECORDS / f"{MAJOR}.{MINOR - 1}.json"


@pytest.fixture(scope="module")
def now() -> Record:
    return contract()


def test_everything_that_the_last_minor_release_promised_still_works(now: Record) -> None:
    if not BEFORE.is_file():
        pytest.skip("this is the first release")
    assert broken(json.loads(BEFORE.read_text("utf-8")), now) == []


def test_what_this_release_promises_is_on_record(now: Record) -> None:
    """``THCORE_RECORD_CONTRACT=1`` writes it anew: look at what has gone before you commit it."""
    if os.environ.get("THCORE_RECORD_CONTRACT"):
        CURRENT.write_text(json.dumps(now, indent=1) + "\n", "utf-8")
    recorded = json.loads(CURRENT.read_text("utf-8"))

    assert broken(recorded, now) == []
    assert broken(now, recorded) == [], "something is new: record it with THCORE_RECORD_CONTRACT=1"


HOOK = "thcore_execute"


def drop_argument(record: Record) -> None:
    del record["hooks"][HOOK]["arguments"]["checkout"]


def widen_argument(record: Record) -> None:
    record["hooks"][HOOK]["arguments"]["checkout"] += " | None"


def narrow_answer(record: Record) -> None:
    record["hooks"]["thcore_publish"]["answer"] = "Publication"


def drop_hook(record: Record) -> None:
    del record["hooks"][HOOK]


def drop_name(record: Record) -> None:
    del record["names"]["thcore.errors"]["ChangeError"]


def drop_member(record: Record) -> None:
    del record["names"]["thcore.hooks"]["Build"]["members"]["run"]


def drop_enum_member(record: Record) -> None:
    del record["names"]["thcore.model"]["Severity"]["members"]["WARNING"]


def require_parameter(record: Record) -> None:
    record["names"]["thcore.model"]["Finding"]["called"] += ", *, colour"


def swap_parameters(record: Record) -> None:
    call_finding(record, "code, severity", "severity, code")


def drop_default(record: Record) -> None:
    call_finding(record, "plugin=", "plugin")


def call_finding(record: Record, before: str, after: str) -> None:
    finding = record["names"]["thcore.model"]["Finding"]
    assert before in finding["called"]
    finding["called"] = finding["called"].replace(before, after)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (drop_argument, "thcore_execute: argument checkout is gone"),
        (widen_argument, "thcore_execute: argument checkout can be None now"),
        (narrow_answer, "thcore_publish: the answer cannot be None any more"),
        (drop_hook, "hook thcore_execute is gone"),
        (drop_member, "thcore.hooks.Build: member run is gone"),
        (drop_enum_member, "thcore.model.Severity: member WARNING is gone"),
        (require_parameter, "thcore.model.Finding: parameter colour is new, and must be given"),
        (swap_parameters, "thcore.model.Finding: parameter code is not the one at place 1 any more"),
        (drop_default, "thcore.model.Finding: parameter plugin must be given now"),
    ],
    ids=lambda each: each.__name__ if callable(each) else "",
)
def test_what_would_break_a_plugin_is_noticed(now: Record, change: Callable[[Record], None], told: str) -> None:
    later = copy.deepcopy(now)
    change(later)

    assert told in broken(now, later)


def test_a_name_that_is_public_no_more_is_noticed_unless_it_warns(now: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    from thcore import errors
    from thcore.deprecation import renamed

    later = copy.deepcopy(now)
    drop_name(later)
    assert broken(now, later) == ["thcore.errors.ChangeError is gone"]

    monkeypatch.setattr(errors, "FaultOfTheChange", errors.ChangeError, raising=False)
    monkeypatch.delattr(errors, "ChangeError")
    names = {"ChangeError": ("FaultOfTheChange", "0.1")}
    monkeypatch.setattr(errors, "__getattr__", renamed("thcore.errors", names), raising=False)
    assert broken(now, later) == []


@pytest.mark.parametrize("grow", ["hook", "argument", "name", "member", "parameter"])
def test_growing_breaks_nothing(now: Record, grow: str) -> None:
    later = copy.deepcopy(now)
    more: dict[str, Callable[[], Any]] = {
        "hook": lambda: later["hooks"].update(thcore_more={"arguments": {}, "answer": "None"}),
        "argument": lambda: later["hooks"][HOOK]["arguments"].update(more="Any"),
        "name": lambda: later["names"]["thcore.model"].update(More={}),
        "member": lambda: later["names"]["thcore.hooks"]["Build"]["members"].update(more={}),
        "parameter": lambda: call_finding(later, "command=", "command=, more=, *, else="),
    }

    more[grow]()

    assert broken(now, later) == []


def test_what_is_public_is_there_and_a_star_import_gets_it() -> None:
    for module, names in public_names().items():
        got: dict[str, object] = {}
        exec(f"from {module} import *", got)
        assert set(names) <= set(got), module


SOURCES = sorted(
    path
    for place in ("thplugins_dbmigration", "thplugins_publish_local", "thplugins_publish_swift", "docs/examples")
    for path in (ROOT / place).rglob("*.py")
)


def test_our_own_plugins_and_the_examples_import_public_names_only() -> None:
    assert len(SOURCES) > 100
    assert [line for path in SOURCES for line in private_in(path)] == []


def test_a_deprecation_ends_with_its_release() -> None:
    """``since`` is the last minor release with what is deprecated."""
    late = [
        f"{path}: since {since}"
        for path in sorted((ROOT / "thcore" / "src").rglob("*.py"))
        if path.name != "deprecation.py" and "thcore.deprecation" in (text := path.read_text("utf-8"))
        for since in re.findall(r'"(\d+\.\d+)"', text)
        if tuple(map(int, since.split("."))) < (MAJOR, MINOR)
    ]
    assert late == []
