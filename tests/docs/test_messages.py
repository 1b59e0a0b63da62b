from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Neither the sample project nor the contract suites say anything to a user.
ELSEWHERE = ("/shop/", "/testing/")
SOURCES = tuple(
    sorted(path for path in ROOT.glob("th*/src/**/*.py") if not any(part in str(path) for part in ELSEWHERE))
)
PAGE = ROOT / "docs" / "messages.md"
CODE = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")

# mypy's, and one of a build that is never shown.
OTHERS = {"empty-body", "rehearsed"}


def constants(node: ast.AST | None) -> Iterator[str]:
    """The texts that an expression can be: ``"a" if x else "b"`` can be both."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from constants(node.body)
        yield from constants(node.orelse)
    elif isinstance(node, ast.Call):  # CODES.get(counter, "counter-exceeded")
        yield from (text for argument in node.args for text in constants(argument))


def called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def named_code(target: ast.AST, value: ast.AST | None) -> Iterator[str]:
    if isinstance(target, ast.Name) and target.id.lower() == "code":
        yield from constants(value)
    if isinstance(target, ast.Name) and target.id == "CODES" and isinstance(value, ast.Dict):
        yield from (text for entry in value.values for text in constants(entry))
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for inner, part in zip(target.elts, value.elts, strict=False):
            yield from named_code(inner, part)


def codes_in(tree: ast.AST) -> Iterator[str]:
    """Every text that stands where a code stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if called(node) == "Finding" and node.args:
                yield from constants(node.args[0])
            yield from (text for word in node.keywords if word.arg == "code" for text in constants(word.value))
        elif isinstance(node, ast.FunctionDef):
            names = [*node.args.args, *node.args.kwonlyargs]
            given = [*[None] * (len(node.args.args) - len(node.args.defaults)), *node.args.defaults]
            for argument, value in zip(names, [*given, *node.args.kw_defaults], strict=True):
                if argument.arg == "code":
                    yield from constants(value)
        elif isinstance(node, ast.Assign):
            yield from (text for target in node.targets for text in named_code(target, node.value))
        elif isinstance(node, ast.AnnAssign):
            if isinstance(node.value, ast.Call) and called(node.value) == "option":
                if isinstance(node.target, ast.Name) and node.target.id == "code":
                    yield from (
                        text for word in node.value.keywords if word.arg == "default" for text in constants(word.value)
                    )
            else:
                yield from named_code(node.target, node.value)


def emitted() -> dict[str, str]:
    found: dict[str, str] = {}
    for path in SOURCES:
        for code in codes_in(ast.parse(path.read_text("utf-8"))):
            if CODE.fullmatch(code) and code not in OTHERS:
                found.setdefault(code, str(path.relative_to(ROOT)))
    return found


def documented() -> set[str]:
    return set(re.findall(r"^### `([^`]+)`$", PAGE.read_text("utf-8"), re.MULTILINE))


def test_every_code_that_the_source_can_emit_is_explained() -> None:
    missing = {code: place for code, place in emitted().items() if code not in documented()}

    assert not missing


def test_no_code_is_explained_that_nobody_emits() -> None:
    assert not documented() - set(emitted())


def test_the_search_for_codes_finds_the_ways_in_which_they_are_written() -> None:
    source = """
CODES = {"rows": "rows-read-exceeded"}
def f(x, code="given-a-default"): ...
Finding("first-argument", 1)
InfrastructureError("text", code="a-keyword" if x else "another-keyword")
code, hint = "a-pair", "a hint"
code = CODES.get(x, "a-fallback")
class Stop:
    code: str = "a-field"
    other: str = option("text", default="no-code")
"""
    expected = {
        "rows-read-exceeded",
        "given-a-default",
        "first-argument",
        "a-keyword",
        "another-keyword",
        "a-pair",
        "a-fallback",
        "a-field",
    }

    assert set(codes_in(ast.parse(source))) == expected


@pytest.mark.parametrize(
    "field", ["Says", "Means", "Acts", "Do"], ids=["text", "meaning", "who must act", "what to do"]
)
def test_every_code_has_all_that_a_reader_needs(field: str) -> None:
    sections = re.split(r"^### ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]

    assert [section.split("\n")[0] for section in sections if f"\n:{field}: " not in section] == []
