from __future__ import annotations

import datetime
import json

import pytest

from thcore.model import Limit, Loss, Step
from thplugins_dbmigration.policy.file import LARGEST, AllowedLoss, Policy, Waiver, from_plain, parse, to_plain

STEP = Step("0123", ("0122",))
WHOLE = """\
dbmigration:
  limits: {copied_rows: 100_000, writes_wait_s: 1.5}
  steps:
    0122->0123: {wal_bytes: 5000000000}
    0099: {wal_bytes: 7}
  tables:
    orders: {copied_rows: 0}
  small_tables: [countries, settings]
  exceptions:
    - step: 0123
      counter: copied_rows
      table: orders
      maximum: 3000000
      reason: the shop is closed meanwhile
      owner: schema-team@example.org
      expires: 2027-03-31
  allowed_losses:
    - {step: 0123, table: orders, column: note, reason: nobody reads it, owner: shop@example.org, expires: 2027-04-30}
"""


LAST = datetime.date(2027, 4, 30)


def valid(text: str) -> Policy:
    found = parse(text)
    assert isinstance(found, Policy), found
    return found


def wrong(text: str) -> tuple[str, ...]:
    found = parse(text)
    assert isinstance(found, tuple), found
    return found


def test_everything_that_a_policy_can_say_is_read() -> None:
    policy = valid(WHOLE)

    assert policy.limits == {"copied_rows": 100_000, "writes_wait_s": 1.5}
    assert policy.small_tables == ("countries", "settings")
    assert policy.exceptions == (
        Waiver(
            "0123",
            "copied_rows",
            "the shop is closed meanwhile",
            "schema-team@example.org",
            datetime.date(2027, 3, 31),
            "orders",
            3_000_000,
        ),
    )
    assert policy.allowed_losses == (
        AllowedLoss("0123", "orders", "nobody reads it", "shop@example.org", datetime.date(2027, 4, 30), "note"),
    )


def test_limits_say_where_they_stand() -> None:
    policy = valid(WHOLE)

    assert list(policy.limits_of(STEP)) == [
        Limit("wal_bytes", 5_000_000_000, ".thcore.yaml: steps.0122->0123.wal_bytes")
    ]
    assert list(policy.limits_of(Step("0124", ("0123",)))) == []
    assert list(policy.limits_of_tables()) == [
        Limit("copied_rows", 0, ".thcore.yaml: tables.orders.copied_rows", "orders")
    ]
    assert [limit.origin for limit in policy.limits_of_all()] == [
        ".thcore.yaml: limits.copied_rows",
        ".thcore.yaml: limits.writes_wait_s",
    ]


def test_tables_for_which_somebody_may_have_to_wait_are_the_most_important_ones() -> None:
    found = parse("dbmigration: {tables: {a: {copied_rows: 1}, b: {writes_wait_s: 1}, c: {}, d: {reads_wait_s: 1}}}")
    assert isinstance(found, Policy)
    assert found.important == ("b", "d", "a", "c")


def test_a_version_that_looks_like_a_number_stays_what_it_is() -> None:
    assert set(valid(WHOLE).steps) == {"0122->0123", "0099"}


def test_a_file_with_nothing_in_it_says_nothing() -> None:
    for text in ("", "# nothing\n", "dbmigration: {}\n", "{}"):
        assert valid(text) == Policy()


def test_losses_are_allowed_by_step_table_and_column() -> None:
    policy = Policy(
        allowed_losses=(
            AllowedLoss("0123", "orders", "r", "o", LAST, "note"),
            AllowedLoss("0122->0123", "people", "r", "o", LAST, "*"),
            AllowedLoss("0123", "log", "r", "o", LAST),
        )
    )

    assert policy.allows(STEP, Loss("orders", "note", 5, 3), LAST) == policy.allowed_losses[0]
    assert policy.allows(STEP, Loss("people", "any", 5, 3), LAST) == policy.allowed_losses[1]
    assert policy.allows(STEP, Loss("log", None, 5, 3), LAST) == policy.allowed_losses[2]
    for step, loss in (
        (STEP, Loss("orders", "state", 5, 3)),
        (STEP, Loss("orders", None, 5, 3)),
        (STEP, Loss("people", None, 5, 3)),
        (STEP, Loss("log", "text", 5, 3)),
        (Step("0124", ("0123",)), Loss("orders", "note", 5, 3)),
    ):
        assert policy.allows(step, loss, LAST) is None


def test_a_loss_is_allowed_until_its_last_day_and_not_after_it() -> None:
    policy = Policy(allowed_losses=(AllowedLoss("0123", "log", "r", "o", LAST),))
    loss = Loss("log", None, 5, 3)

    assert policy.allows(STEP, loss, LAST) == policy.allowed_losses[0]
    assert policy.allows(STEP, loss, LAST + datetime.timedelta(days=1)) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("dbmigration: {limit: {}}", "dbmigration: limit: unknown key; did you mean limits?"),
        ("dbmigrations: {}", "dbmigrations: unknown key; did you mean dbmigration?"),
        ("dbmigration: {limits: {copied_row: 3}}", "dbmigration.limits.copied_row: there is no such counter; did you"),
        ("dbmigration: {limits: {zzz: 3}}", "dbmigration.limits.zzz: there is no such counter"),
        ("dbmigration: {limits: {wall_s: soon}}", "dbmigration.limits.wall_s: must be a number, not 'soon'"),
        ("dbmigration: {limits: {wall_s: -1}}", "dbmigration.limits.wall_s: must be 0 or more, not -1"),
        ("dbmigration: {limits: {wall_s: nan}}", "dbmigration.limits.wall_s: must be 0 or more, not nan"),
        ("dbmigration: {limits: 3}", "dbmigration.limits: must be an object: {…}"),
        ("dbmigration: {tables: {a: {wal_bytes: 3}}}", "dbmigration.tables.a.wal_bytes: cannot be told of one table"),
        ("dbmigration: {allowed_losses: [{step: a}]}", "dbmigration.allowed_losses[0].owner: is missing"),
        ("dbmigration: {allowed_losses: [{step: a}]}", "dbmigration.allowed_losses[0].expires: is missing"),
        (WHOLE.replace("shop@example.org", "''"), "dbmigration.allowed_losses[0].owner: is empty; say it"),
        ("dbmigration: {exceptions: [{step: a}]}", "dbmigration.exceptions[0].counter: is missing"),
        (WHOLE.replace("2027-03-31", "soon"), "dbmigration.exceptions[0].expires: must be a date such as 2027-03-31"),
        (WHOLE.replace("2027-03-31", "2027-02-31"), "dbmigration.exceptions[0].expires: day is out of range"),
        (WHOLE.replace("schema-team@example.org", "''"), "dbmigration.exceptions[0].owner: is empty; say it"),
        (
            WHOLE.replace("counter: copied", "counter: copy"),
            "dbmigration.exceptions[0].counter: copy_rows: there is no",
        ),
        ("a: 1\na: 2", "line 2: is no YAML that is taken: a is there twice"),
        ("a: &x [1]\nb: *x", "line 2: is no YAML that is taken: write out what the alias stands for"),
        ("a: [", "line 1: is no YAML that is taken"),
        ("[a, b]: 1", "line 1: is no YAML that is taken: a key must be text"),
        ("a: !!python/object/apply:os.system [x]", "a: unknown key"),
        ("--- a\n--- b", "line 2: is no YAML that is taken"),
        ("- a", "must be an object: {…}"),
        ("text", "must be an object: {…}"),
        ("[" * 20_000, "is nested too deep"),
        ("\udcff\udcfe", "is no UTF-8 text"),
        ("a: \x07", "is no YAML"),
        ("#" * (LARGEST + 1), "is larger than 64 KiB"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(text: str, problem: str) -> None:
    assert any(each.startswith(problem) for each in wrong(text)), wrong(text)


def test_all_problems_are_told_at_once() -> None:
    assert len(wrong("dbmigration: {limits: {a: x}, small_tables: {}, allowed_losses: [{step: a}], more: 1}")) >= 4


def test_a_policy_is_handed_on_as_plain_values() -> None:
    policy = valid(WHOLE)

    assert from_plain(json.loads(json.dumps(to_plain(policy)))) == policy
