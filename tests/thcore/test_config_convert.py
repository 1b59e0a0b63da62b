"""The strict converter: what it takes, and every way in which it refuses."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NewType, cast

import attrs
import pytest
from attrs import field, frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thcore.config import Config, structure, unstructure
from thcore.config.convert import type_text
from thcore.errors import ConfigError
from thcore.hooks import option
from thcore.model import Bytes, Seconds, Secret

if TYPE_CHECKING:
    from decimal import Decimal

Celsius = NewType("Celsius", float)


class Colour(enum.Enum):
    RED = "red"
    DARK_BLUE = "dark-blue"
    ONE = 1


class Tone(str, enum.Enum):  # noqa: UP042 - not a StrEnum: plugins have these too
    HIGH = "high"
    LOW = "low"


@frozen
class Swift:
    container: str = option("The container for logs.")
    password: Secret = option("The account's password.", default=Secret(""))


@frozen
class Everything:
    text: str = "a"
    whole: int = 1
    number: float = 1.0
    flag: bool = False
    path: Path = Path("/srv")
    duration: Seconds = Seconds(1.0)
    size: Bytes = Bytes(1)
    secret: Secret = Secret("")
    maybe: str | None = None
    colour: Colour = Colour.RED
    tone: Tone = Tone.LOW
    choice: Literal["on", "off", 3] = "on"
    words: tuple[str, ...] = ()
    pair: tuple[str, int] = ("a", 1)
    numbers: list[int] = field(factory=list)
    names: frozenset[str] = frozenset()
    sequence: Sequence[float] = ()
    mapping: Mapping[str, Any] = field(factory=dict)
    swifts: Mapping[str, Swift] = field(factory=dict)
    swift: Swift | None = None
    either: int | str = 1
    warmth: Celsius = Celsius(20.0)
    noted: Annotated[int, "a note"] = 1
    anything: Any = None
    _private: int = 0


def problems(value: object, cls: Any = Everything, where: str = "config.yaml") -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        structure(value, cls, where)
    return caught.value.problems


def test_every_type_is_read() -> None:
    result = structure(
        {
            "text": "b",
            "whole": 2,
            "number": 3,
            "flag": True,
            "path": "/tmp/x",
            "duration": "1h30m",
            "size": "64MiB",
            "secret": "hush",
            "maybe": None,
            "colour": "dark-blue",
            "tone": "high",
            "choice": 3,
            "words": ["a", "b"],
            "pair": ["x", 2],
            "numbers": [1, 2],
            "names": ["n"],
            "sequence": [1, 2.5],
            "mapping": {"k": [1]},
            "swifts": {"one": {"container": "c"}},
            "swift": {"container": "d", "password": "p"},
            "either": "text",
            "warmth": 36,
            "noted": 4,
            "anything": {"x": None},
            "private": 5,
        },
        Everything,
        "config.yaml",
    )
    assert result == Everything(
        "b",
        2,
        3.0,
        True,  # noqa: FBT003 - in the order of the fields
        Path("/tmp/x"),
        Seconds(5400.0),
        Bytes(64 * 1024 * 1024),
        Secret("hush"),
        None,
        Colour.DARK_BLUE,
        Tone.HIGH,
        3,
        ("a", "b"),
        ("x", 2),
        [1, 2],
        frozenset({"n"}),
        (1.0, 2.5),
        {"k": [1]},
        {"one": Swift("c")},
        Swift("d", Secret("p")),
        "text",
        Celsius(36.0),
        4,
        {"x": None},
        5,
    )
    assert type(result.number) is float
    assert type(result.words) is tuple
    assert result.secret.reveal() == "hush"


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("text", 5, "expected text, got 5; put quotes around it"),
        ("text", True, "expected text, got true; put quotes around it"),
        ("text", None, "expected text, got nothing"),
        ("text", "a\0b", r'expected text, got "a\u0000b"; it holds characters that no program or file name can take'),
        ("text", "\ud800", r'expected text, got "\ud800"; it holds characters that no program or file name can take'),
        ("text", ["a"], "expected text, got a list"),
        ("whole", "four", 'expected a whole number, got "four"'),
        ("whole", "4", 'expected a whole number, got "4"; remove the quotes'),
        ("whole", True, "expected a whole number, got true"),
        ("whole", 4.0, "expected a whole number, got 4.0"),
        ("number", "1.5", 'expected a number, got "1.5"; remove the quotes'),
        ("number", False, "expected a number, got false"),
        ("number", float("inf"), "expected a finite number; write a smaller one"),
        ("number", 10**400, "expected a finite number; write a smaller one"),
        ("flag", 1, "expected true or false, got 1"),
        ("flag", "x" * 100, f'expected true or false, got "{"x" * 55}…"'),
        ("path", "", 'expected a path, got ""; write a path or remove the key'),
        ("path", 3, "expected a path, got 3; put quotes around it"),
        ("duration", "soon", "'soon' is not a duration; write for example 90s, 15m or 1h30m"),
        ("duration", True, "expected a duration, got true; write for example 90s or 2h"),
        ("duration", -1, "expected a duration, got -1; it cannot be negative"),
        ("duration", "9" * 400 + "s", "expected a finite number; write a smaller one"),
        ("size", "big", "'big' is not a size; write for example 512KiB, 64MiB or 2GiB"),
        ("size", 1.5, "expected a whole number, got 1.5"),
        ("size", "9" * 400, "expected a finite number; write a smaller one"),
        ("size", 2**300, None),
        ("size", -(2**300), "expected a size, got a number of that many digits; it cannot be negative"),
        ("colour", "RED", 'expected red, dark-blue or 1, got "RED"; did you mean red?'),
        ("colour", True, "expected red, dark-blue or 1, got true"),
        ("tone", "hihg", 'expected high or low, got "hihg"; did you mean high?'),
        ("tone", ["high"], "expected high or low, got a list"),
        ("choice", "of", 'expected on, off or 3, got "of"; did you mean off?'),
        ("words", "abc", "expected a list, got text; write it as [value]"),
        ("pair", ["a"], "expected a list of 2 values, got 1"),
        ("mapping", "hunter2", "expected a mapping, got text"),
        ("mapping", {1: 2}, "the key 1 is not text; put quotes around it"),
        ("swift", [], "expected a mapping, got a list"),
        ("either", 1.5, "expected a whole number or text, got 1.5"),
        ("warmth", "hot", 'expected a number, got "hot"'),
        ("noted", "x", 'expected a whole number, got "x"'),
        ("colr", "red", "unknown key; did you mean colour?"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(key: str, value: object, problem: str | None) -> None:
    if problem is None:
        assert structure({key: value}, Everything, "config.yaml")
    else:
        assert problems({key: value}) == (f"config.yaml: {key}: {problem}",)


def test_problems_name_the_whole_key_path() -> None:
    assert problems(
        {"swifts": {"a": {"containr": "x"}, "b c": {"container": 1}}, "numbers": [1, "2"]}, where="config.yaml: jobs[2]"
    ) == (
        'config.yaml: jobs[2].numbers[1]: expected a whole number, got "2"; remove the quotes',
        "config.yaml: jobs[2].swifts.a.containr: unknown key; did you mean container?",
        "config.yaml: jobs[2].swifts.a.container: required, but missing; add it: The container for logs",
        'config.yaml: jobs[2].swifts."b c".container: expected text, got 1; put quotes around it',
    )
    assert problems([1, "a"], tuple[int, ...]) == ('config.yaml: [1]: expected a whole number, got "a"',)
    assert problems(3) == ("config.yaml: expected a mapping, got 3",)


def test_an_unknown_key_without_a_near_one_lists_the_known_ones() -> None:
    @frozen
    class Bare:
        pass

    assert problems({"zzz": 1}, Swift) == (
        "config.yaml: zzz: unknown key; known are container, password",
        "config.yaml: container: required, but missing; add it: The container for logs",
    )
    assert problems({"zzz": 1}, Bare) == ("config.yaml: zzz: unknown key; there are none here, remove it",)


def test_a_missing_key_without_documentation_is_explained_by_its_type() -> None:
    @frozen
    class Plain:
        count: int

    assert problems({}, Plain) == ("config.yaml: count: required, but missing; add it: a whole number",)


def test_a_union_reports_what_is_wrong_inside_the_shape_that_fits() -> None:
    @frozen
    class Holder:
        value: Swift | str

    assert structure({"value": "x"}, Holder, "f") == Holder("x")
    assert problems({"value": {"container": 1}}, Holder, "f") == (
        "f: value.container: expected text, got 1; put quotes around it",
    )


@frozen
class Unusable:
    when: datetime.datetime | None = None
    odd: set[list[int]] = field(factory=set)
    secret: Secret | int = 0


def test_types_that_no_file_can_hold_are_problems_and_not_tracebacks() -> None:
    assert problems({"when": "now", "odd": [[1]], "secret": "hush"}, Unusable) == (
        "config.yaml: when: datetime cannot be read from a file; the author must choose another type for it",
        "config.yaml: odd: a list cannot be read from a file; the author must choose another type for it",
        (
            "config.yaml: secret: a secret or a whole number cannot be read from a file; "
            "the author must choose another type for it"
        ),
    )
    unhashable = attrs.make_class("Unhashable", {"x": attrs.field(type=cast("Any", [int]))})
    assert problems({"x": 1}, unhashable) == (
        "config.yaml: x: [<class 'int'>] cannot be read from a file; the author must choose another type for it",
    )
    untyped = attrs.make_class("Untyped", ["x"])
    assert problems({"x": 1}, untyped) == ("config.yaml: x: it has no type; the author must annotate it",)
    assert problems({}, Path) == ("config.yaml: expected a path, got a mapping",)


@frozen
class Unresolved:
    price: Decimal


def test_annotations_that_cannot_be_resolved_are_a_problem() -> None:
    assert problems({}, Unresolved) == (
        (
            "config.yaml: Unresolved cannot be read from a file: name 'Decimal' is not defined; "
            "its author must import what its annotations name"
        ),
    )


@frozen
class Checked:
    share: float = field(default=0.5, validator=attrs.validators.le(1))
    low: int = 0
    high: int = field(default=10)
    broken: int = 0

    @high.validator
    def _above_low(self, _attribute: object, value: int) -> None:
        if value < self.low:
            raise ValueError("high is below low")

    def __attrs_post_init__(self) -> None:
        if self.broken:
            raise KeyError


def test_what_validators_say_is_a_problem_of_their_key_or_of_the_whole() -> None:
    assert problems({"share": 2}, Checked) == ("config.yaml: share: 'share' must be <= 1: 2.0",)
    assert problems({"low": 5, "high": 1}, Checked, "f: a") == ("f: a: high is below low",)
    assert problems({"broken": 1}, Checked) == ("config.yaml: KeyError",)


def test_secrets_are_read_from_text_variables_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPLOAD_TOKEN", "from-env")
    file = tmp_path / "token"
    file.write_text("from-file\n")
    assert structure("plain", Secret, "f").reveal() == "plain"
    assert structure({"env": "UPLOAD_TOKEN"}, Secret, "f").reveal() == "from-env"
    assert structure({"file": str(file)}, Secret, "f").reveal() == "from-file"


def test_a_secret_that_cannot_be_had_is_a_problem_that_does_not_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH", raising=False)
    binary, long = tmp_path / "binary", tmp_path / "long"
    binary.write_bytes(b"\xff")
    long.write_bytes(b"x" * 65537)
    expected = "expected text, {env: VARIABLE} or {file: PATH}, got"
    shape = "expected a secret: text, or exactly one of {env: VARIABLE} and {file: PATH}"
    empty = "the secret is empty or holds characters that text cannot have; give its text"
    cases: list[tuple[object, str]] = [
        (123456, f"f: {expected} a number; put quotes around it"),
        (["hunter2"], f"f: {expected} a list"),
        (None, f"f: {expected} nothing"),
        ("", f"f: {empty}"),
        ("hunter2\0", f"f: {empty}"),
        ({}, f"f: {shape}"),
        ({"evn": "hunter2"}, f"f: {shape}"),
        ({"env": "A", "file": "B"}, f"f: {shape}"),
        ({"env": 5}, "f: env: expected a name, got a number"),
        ({"env": "NO_SUCH"}, "f: env: the environment has no variable NO_SUCH; set it where the worker starts"),
        (
            {"file": str(tmp_path / "none")},
            (
                f"f: file: {tmp_path / 'none'} cannot be read: No such file or directory; "
                "make it readable for the worker's user"
            ),
        ),
        ({"file": str(binary)}, f"f: file: {binary} does not hold UTF-8 text; store the secret as text"),
        ({"file": str(long)}, f"f: file: {long} is longer than 65536 bytes; name the right file"),
    ]
    for value, problem in cases:
        assert problems(value, Secret, "f") == (problem,)
        assert "hunter2" not in problem


def test_text_where_a_container_of_secrets_is_expected_is_not_shown() -> None:
    assert "hunter2" not in problems("hunter2", tuple[Secret, ...])[0]
    assert "hunter2" not in problems("hunter2", Mapping[str, Secret])[0]
    assert "hunter2" not in problems("hunter2", Swift)[0]


def test_unstructured_values_show_no_secret_and_can_be_read_again() -> None:
    value = Everything(secret=Secret("hush"), swift=Swift("c", Secret("hush")), duration=Seconds(7200.0))
    plain = unstructure(value)
    assert "hush" not in repr(plain)
    assert plain["secret"] == "***"
    assert plain["path"] == "/srv"
    assert plain["duration"] == 7200
    assert plain["colour"] == "red"
    assert plain["private"] == 0
    assert structure({**plain, "secret": "x"}, Everything, "f").swift == Swift("c", Secret("***"))
    assert unstructure(datetime.date(2024, 1, 2)) == "2024-01-02"


def test_types_have_words() -> None:
    assert type_text(Seconds) == "a duration"
    assert type_text(Celsius) == "a number"
    assert type_text(str | None) == "text or nothing"
    assert type_text(tuple[str, ...]) == "a list"
    assert type_text(Swift) == "a mapping"
    assert type_text(Literal["", "a"]) == '"" or a'
    assert type_text(bytes) == "bytes"


def problems_of(value: object, cls: Any) -> tuple[str, ...]:
    """The problems of a value; when there are none, it is of its class and can be shown."""
    try:
        result = structure(value, cls, "f")
    except ConfigError as error:
        return error.problems or ("refused without a problem",)
    assert isinstance(result, cls)
    unstructure(result)
    return ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)

calmly = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
"""On a machine that is busy, making values takes time."""


@calmly
@given(st.dictionaries(st.sampled_from([each.alias for each in attrs.fields(Everything)]), JSON, max_size=6))
def test_whatever_a_file_says_about_options_it_is_read_or_refused(value: dict[str, object]) -> None:
    for problem in problems_of(value, Everything):
        assert problem.startswith("f: ")
        assert "\n" not in problem
        problem.encode()


@calmly
@given(st.dictionaries(st.sampled_from([each.alias for each in attrs.fields(Config)]), JSON, max_size=6) | JSON)
def test_whatever_a_file_says_it_is_read_or_refused(value: object) -> None:
    assert all(problem.startswith("f: ") for problem in problems_of(value, Config))


def test_on_and_off_are_choices_also_where_yaml_has_made_true_and_false_of_them() -> None:
    read = [structure({"choice": value}, Everything, "config.yaml").choice for value in ("on", True, "off", False)]

    assert read == ["on", "on", "off", "off"]
    assert "expected red" in problems({"colour": False})[0]
