"""Values that nobody is to read."""

from __future__ import annotations

import pytest

from thplugins_dbmigration.offences.confidential import is_confidential, masked, without_values


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("(1062) Duplicate entry 'ann@x-'' for key 'users.one'", "(1062) Duplicate entry *** for key 'users.one'"),
        (
            "(1366) Incorrect integer value: 'n/a' for column `s`.`t`.`a` at row 2",
            "(1366) Incorrect integer value: *** for column `s`.`t`.`a` at row 2",
        ),
        ("1292 (22007): Truncated incorrect DOUBLE value: 'x'", "1292 (22007): Truncated incorrect DOUBLE value: ***"),
        ("DETAIL:  Key (a, b)=(ann, (x)) already exists.", "DETAIL:  Key (a, b)=*** already exists."),
        ('Key (town)=(9) is not present in table "towns".', 'Key (town)=*** is not present in table "towns".'),
        ("DETAIL:  Failing row contains (1, ann, null).", "DETAIL:  Failing row contains ***."),
        ('invalid input syntax for type integer: "n/a"', "invalid input syntax for type integer: ***"),
        ('invalid input value for enum mood: "glad" CONTEXT: x', "invalid input value for enum mood: *** CONTEXT: x"),
        ('date/time field value out of range: "2024-02-30"', "date/time field value out of range: ***"),
        ('value "99999" is out of range for type smallint', "value *** is out of range for type smallint"),
        ("[parameters: {'a': 'ann', 'b': ['x']}]", "[parameters: ***]"),
        ("UNIQUE constraint failed: t.a", "UNIQUE constraint failed: t.a"),
        ("nothing of the kind", "nothing of the kind"),
    ],
)
def test_values_that_errors_quote_are_masked(line: str, left: str) -> None:
    assert without_values([line]) == (left,)


def test_a_value_of_several_lines_is_masked() -> None:
    lines = ["before", "IntegrityError: (1062) Duplicate entry 'ann", "secret' for key 'one'", "after"]
    assert without_values(lines) == ("before", "IntegrityError: (1062) Duplicate entry *** for key 'one'", "after")


def test_nothing_is_masked_where_nothing_is_confidential() -> None:
    assert masked(["Duplicate entry 'ann' for key 'one'"], {}) == ("Duplicate entry 'ann' for key 'one'",)
    assert masked([], {"users": ("mail",)}) == ()


def test_a_column_is_known_whatever_its_case_and_its_tables_schema() -> None:
    confidential = {"Users": ("Mail",), "crm.notes": ("text",)}
    assert is_confidential(confidential, "public.users", "MAIL")
    assert is_confidential(confidential, "notes", "text")
    assert not is_confidential(confidential, "users", "id")
    assert not is_confidential(confidential, "other", "mail")
