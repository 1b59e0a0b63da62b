from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any

import pytest

from thcore.plugins import Plugins
from thcore.plugins.signature import HOOKS

ANSWERS_IGNORED = {"thcore_preload", "thcore_cleanup", "thcore_build_event", "thcore_worker_event"}

PROCESSES = (
    "in the child process",
    "in the worker",
    "in the nursery, the process of the worker",
    "in the process of the command line",
    "when the command line starts",
)

hooks = pytest.mark.parametrize("name", sorted(HOOKS))


def words(name: str) -> str:
    """The docstring of a hook without its example, in one line."""
    text = inspect.getdoc(HOOKS[name]) or ""
    return " ".join(text.partition(".. code-block::")[0].split())


def example(name: str) -> str:
    """The code of the one example in the docstring of a hook."""
    _, *blocks = re.split(r"^\.\. code-block:: python\n", inspect.getdoc(HOOKS[name]) or "", flags=re.MULTILINE)
    (block,) = blocks
    lines = []
    for line in block.lstrip("\n").splitlines():
        if line and not line.startswith(" "):
            break
        lines.append(line)
    return textwrap.dedent("\n".join(lines))


def made(name: str) -> Any:
    """An instance of the class in the example of a hook that implements it."""
    namespace: dict[str, Any] = {"__name__": f"example_of_{name}"}
    exec(compile(example(name), f"<example of {name}>", "exec"), namespace)
    (cls,) = (value for value in namespace.values() if isinstance(value, type) and name in vars(value))
    return cls()


def test_every_hook_of_the_contract_is_there() -> None:
    assert set(HOOKS) == {
        "thcore_job_options",
        "thcore_settings",
        "thcore_preload",
        "thcore_checkout",
        "thcore_resolve",
        "thcore_environment",
        "thcore_execute",
        "thcore_analyse",
        "thcore_address",
        "thcore_publish_live",
        "thcore_publish",
        "thcore_cleanup",
        "thcore_build_event",
        "thcore_worker_event",
        "thcore_wrap_command",
        "thcore_health",
        "thcore_commands",
    }


@hooks
def test_the_example_of_each_hook_is_a_plugin_without_problems(name: str) -> None:
    plugins = Plugins()
    accepted = plugins.add("example", made(name))
    assert [str(problem) for problem in plugins.problems] == []
    assert accepted
    assert plugins.get("example").hooks == {name}


@hooks
def test_each_hook_says_when_it_is_called(name: str) -> None:
    assert "Called " in words(name)


@hooks
def test_each_hook_says_in_which_process_it_is_called(name: str) -> None:
    called = " ".join(sentence for sentence in re.split(r"(?<=\.) ", words(name)) if sentence.startswith("Called"))
    assert any(process in called for process in PROCESSES), called


@hooks
def test_each_hook_says_what_none_means_or_that_its_answer_is_ignored(name: str) -> None:
    if name in ANSWERS_IGNORED:
        assert "answer is ignored" in words(name)
    else:
        assert re.search(r"\bNone\b", words(name))


@hooks
def test_each_hook_says_what_an_exception_does(name: str) -> None:
    assert re.search(r"\b(an exception|exceptions|ChangeError)\b", words(name), re.IGNORECASE)


@hooks
def test_a_hook_has_positional_arguments_without_defaults_only(name: str) -> None:
    for parameter in inspect.signature(HOOKS[name]).parameters.values():
        assert parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD, parameter
        assert parameter.default is inspect.Parameter.empty, parameter


@hooks
def test_a_hook_says_the_types_of_its_arguments_and_of_its_answer(name: str) -> None:
    signature = inspect.signature(HOOKS[name])
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(parameter.annotation is not parameter.empty for parameter in signature.parameters.values())
    assert not any("dict" in str(parameter.annotation) for parameter in signature.parameters.values())
