"""Values that nobody is to read."""

from __future__ import annotations

import pytest

from thplugins_dbmigration.offences.confidential import blotted, is_confidential, without_values


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
        ("near 'ann' and 1' at line 1", "near 'ann' and 1' at line 1"),
        ("syntax to use near 'ann' and 1' at line 1", "syntax to use near *** at line 1"),
        ('malformed array literal: "{ann"', "malformed array literal: ***"),
        ('CONTEXT:  COPY users, line 1, column age: "ann"', "CONTEXT:  COPY users, line 1, column age: ***"),
        ("LINE 1: UPDATE users SET age = 'ann'", "LINE 1: ***"),
        ("backend] STATEMENT:  UPDATE users SET age = 'ann'", "backend] STATEMENT:  ***"),
        ("[SQL: UPDATE users SET mail = 'ann']", "[SQL: ***]"),
        ("[SQL: UPDATE users SET mail = 'ann", "[SQL: ***"),
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


def test_a_value_is_blotted_as_it_is_written_and_bare() -> None:
    said = "a = 'O''Brien' broke: O'Brien, 'x', x, 1234, 12345"
    assert blotted(said, {"'O''Brien'", "'x'", "1234"}, shortest=4) == "a = *** broke: ***, ***, x, ***, 12345"
    assert blotted("a > 1 AND a < 10", {"1"}) == "a > *** AND a < 10"
    assert blotted("it's \\ dollars", {"$$it's$$", r"E'\\'"}) == "*** *** dollars"
    assert blotted("as it is", ()) == "as it is"


def test_a_column_is_known_whatever_its_case_and_its_tables_schema() -> None:
    confidential = {"Users": ("Mail",), "crm.notes": ("text",)}
    assert is_confidential(confidential, "public.users", "MAIL")
    assert is_confidential(confidential, "notes", "text")
    assert not is_confidential(confidential, "users", "id")
    assert not is_confidential(confidential, "other", "mail")
