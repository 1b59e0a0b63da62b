"""One file as plain data, whatever somebody wrote into it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thcore.config.document import SIZE_LIMIT, parse, read
from thcore.config.problem import Problem
from thcore.errors import ConfigError


def refused(text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text.encode() if isinstance(text, str) else text, "f")
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("a: 1", {"a": 1}),
        ('{"a": 1}', {"a": 1}),
        ('\ufeff{"a":\t[1.5, null, true]}', {"a": [1.5, None, True]}),
        ("{a: b, # YAML in braces\n}", {"a": "b"}),
        ('{"a": 1,}', {"a": 1}),
        ("[1]", [1]),
        ("", None),
        ("# nothing\n", None),
        ("base: &b {x: 1}\njob: {<<: *b, y: 2}", {"base": {"x": 1}, "job": {"x": 1, "y": 2}}),
        ("a: 12:30", {"a": "12:30"}),
        ("a: 010", {"a": "010"}),
        ("a: 0x1f", {"a": "0x1f"}),
        ("a: 2024-01-02", {"a": "2024-01-02"}),
        ("a: 1_000", {"a": "1_000"}),
        ("a: 1e3", {"a": 1000.0}),
        ("a: -0.5", {"a": -0.5}),
        ("a: =", {"a": "="}),
        ("a: ~", {"a": None}),
    ],
)
def test_yaml_and_json_are_read_by_their_content(text: str, content: object) -> None:
    assert parse(text.encode(), "f").content == content


def test_keys_given_twice_are_problems() -> None:
    assert parse(b"a: 1\nb:\n  - {c: 1, c: 2}\na: 3\n", "f").problems == (
        Problem(("b", 0, "c"), "given twice, in line 3 and in line 3; keep one"),
        Problem(("a",), "given twice, in line 1 and in line 4; keep one"),
    )
    assert parse(b'{"a": 1, "b": [{"c": 1, "c": 2}], "a": 3}', "f").problems == (
        Problem(("a",), "given twice; keep one"),
        Problem(("b", 0, "c"), "given twice; keep one"),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [1,\nb: }", "f: line 2, column 4: while parsing a flow node, expected the node content, but found '}'"),
        (
            "a:\n\tb: 1",
            (
                "f: line 2, column 1: while scanning for the next token, found character '\\t' that cannot start any "
                "token; indent with spaces, not with tabs"
            ),
        ),
        ('{"a" 1: ]}', "f: line 1, column 6: Expecting ':' delimiter; correct the JSON here"),
        ("{a: {b: [1}", "f: line 1, column 11: while parsing a flow sequence, expected ',' or ']', but got '}'"),
        (
            "a: 1\n---\nb: 2",
            "f: line 2, column 1: expected a single document in the stream, but found another document",
        ),
        ("a: !!python/name:os.x y", "f: line 1, column 4: the tag !!python/name:os.x means nothing here; remove it"),
        ("a: !!set {x}", "f: line 1, column 4: the tag !!set means nothing here; remove it"),
        ("1: a", "f: line 1, column 1: the key 1 is not text; put quotes around it"),
        ("? [a]\n: b", "f: line 1, column 3: a key must be text; put quotes around it if it starts with a bracket"),
        ("a: &x [*x]", "f: line 1, column 4: this refers to itself; write it out"),
        ("a: !!int x", "f: a value does not fit its tag, or a number has too many digits; correct it"),
        ("a: !!bool x", "f: a value does not fit its tag, or a number has too many digits; correct it"),
        ("a: " + "9" * 5000, "f: a value does not fit its tag, or a number has too many digits; correct it"),
        ('{"a": ' + "9" * 5000 + "}", "f: a number has too many digits; write a smaller one"),
        ("a: 1\nb: \x01", "f: line 2, column 4: a control character; remove it"),
        (b"a: 1\nb: \xff", "f: line 2: not UTF-8 text; save the file as UTF-8"),
        ("a: {b: " * 60 + "1" + "}" * 60, None),
        ('{"a":' * 60 + "1" + "}" * 60, "f: nested deeper than 40 levels; write it flatter"),
        ("[" * 5000, "f: nested deeper than 40 levels; write it flatter"),
        ("- " * 60 + "1", "f: line 1, column 83: nested deeper than 40 levels; write it flatter"),
        ("x" * (SIZE_LIMIT + 1), "f: longer than 1024 KiB; no configuration is, name the right file"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(text: str | bytes, problem: str | None) -> None:
    said = refused(text)
    assert problem is None or said == problem


def test_a_file_that_expands_beyond_bounds_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "its aliases make more than 100000 values of this; write less" in refused("\n".join(lines))
    merges = ["a0: &a0 {k: x}"]
    merges += [f"a{n}: &a{n} {{<<: [{','.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 10)]
    assert "its aliases make more than" in refused("\n".join(merges))


def test_files_that_cannot_be_opened_are_refused(tmp_path: Path) -> None:
    for path, problem in (
        (tmp_path / "none", f"{tmp_path}/none: there is no such file; name an existing one"),
        (tmp_path, f"{tmp_path}: this is a directory; name the file in it"),
        (Path("a\0b"), "a\0b: cannot be read: embedded null byte; check the path and its permissions"),
        (
            Path("/proc/self/mem"),
            "/proc/self/mem: cannot be read: Input/output error; check the path and its permissions",
        ),
    ):
        with pytest.raises(ConfigError) as caught:
            read(path)
        assert caught.value.problems == (problem,)


@given(st.binary(max_size=200) | st.text(alphabet='ab:-[]{}"&*!<>|#,?\n\t 019.eE', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(ConfigError):
        parse(data, "f")
