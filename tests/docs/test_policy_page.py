from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from thplugins_dbmigration.census import DISTINCT
from thplugins_dbmigration.limits.figures import BY_TABLE, STATEMENT_BYTES
from thplugins_dbmigration.limits.learned import WORK
from thplugins_dbmigration.limits.rules import DEFAULTS
from thplugins_dbmigration.policy.file import AllowedLoss, Policy, Waiver, parse

DOCS = Path(__file__).parents[2] / "docs"


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text("utf-8")


@pytest.fixture(scope="module")
def example() -> str:
    found = re.search(r"```yaml\n(dbmigration:\n.*?)```", page("policy"), re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """As the site publishes it."""
    import msgspec.json

    from thplugins_dbmigration.policy.file import PolicyFile

    made: dict[str, Any] = msgspec.json.schema(PolicyFile)
    return made


def test_the_example_on_the_page_is_a_policy_and_has_every_key(example: str) -> None:
    policy = parse(example)

    assert isinstance(policy, Policy), policy
    for cls in (Policy, Waiver, AllowedLoss):
        assert [field.name for field in attrs.fields(cls) if f"{field.name}:" not in example] == []


def test_the_example_on_the_page_is_valid_by_the_schema_and_a_broken_one_is_not(
    example: str, schema: dict[str, Any]
) -> None:
    written = json.loads(json.dumps(yaml.safe_load(example), default=str))
    Draft202012Validator(schema).validate(written)
    written["dbmigration"]["exceptions"][0].pop("owner")
    with pytest.raises(ValidationError, match="owner"):
        Draft202012Validator(schema).validate(written)


def test_every_key_is_explained() -> None:
    for field in attrs.fields(Policy):
        assert f"| `{field.name}` |" in page("policy")


def test_everything_that_can_be_limited_is_on_the_page() -> None:
    for name in (*BY_TABLE, STATEMENT_BYTES, "wall_s", *(limit.counter for limit in DEFAULTS)):
        assert f"`{name}`" in page("limits")


def test_the_pages_numbers_are_those_of_the_code() -> None:
    text = " ".join(page("limits").split()).replace("> ", "")

    assert DISTINCT == 2_000_000
    assert "two million values" in text

    assert f"{DEFAULTS[0].maximum:,.0f}" in text
    assert "10,000 rows read, 1,000 rows changed, 4 MiB of log, a million steps" in text
    assert [WORK[name].floor for name in ("Innodb_rows_read", "XInnodb_rows_changed", "wal_bytes", "vm_steps")] == [
        10_000,
        1_000,
        4 * 1024 * 1024,
        1_000_000,
    ]
