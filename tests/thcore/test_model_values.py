from __future__ import annotations

import copy
import json
import logging
import pickle
import re
import signal
from pathlib import Path
from typing import Any

import attrs
import pytest
from cattrs.preconf.json import make_converter
from hypothesis import given
from hypothesis import strategies as st

from thcore import model
from thcore.model import Change, ChangeKind, Command, CommandResult, Environment, Location, Revision, Secret, Step
from thcore.model.quantity import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("90s", 90),
        ("15m", 900),
        ("2h", 7200),
        ("1d", 86400),
        ("1h30m", 5400),
        ("1 h 30 m", 5400),
        ("0s", 0),
        ("1.5h", 5400),
        ("1m1m", 120),
    ],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "90", "s", "1x", "-5s", "1h30", "h1", "1,5h", "1e3s", "5 minutes", "\u0661s5", "nan"]
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{text!r} is not a duration; write for example 90s")):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("812", 812),
        ("812B", 812),
        ("1K", 1024),
        ("64MiB", 64 << 20),
        ("2 GiB", 2 << 30),
        ("1.5kb", 1536),
        ("1tib", 1 << 40),
        (" 5M ", 5 << 20),
    ],
)
def test_a_size_is_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "B", "-1K", "1PiB", "1 M B", "1e3", "0x10", "ten"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{text!r} is not a size; write for example 512KiB")):
        parse_size(text)


@given(st.text(max_size=40))
def test_any_text_is_a_quantity_or_a_value_error(text: str) -> None:
    for parse in (parse_duration, parse_size):
        try:
            quantity: float = parse(text)
        except ValueError as error:
            quantity = 0 if "write for example" in str(error) else -1
        assert quantity >= 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0.4 s"),
        (9.96, "10 s"),
        (9.94, "9.9 s"),
        (12.4, "12 s"),
        (59.6, "1 m 00 s"),
        (200, "3 m 20 s"),
        (3599.7, "1 h 00 m"),
        (7500, "2 h 05 m"),
        (0.000021, "0 s"),
        (0.0012, "0.0012 s"),
        (0.9999, "1.0 s"),
    ],
)
def test_a_duration_is_told_to_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (812, "812 B"),
        (1024, "1.0 KiB"),
        (1468006, "1.4 MiB"),
        (3 << 30, "3.0 GiB"),
        (5 << 40, "5.0 TiB"),
        ((1 << 20) - 1, "1.0 MiB"),
    ],
)
def test_a_size_is_told_to_people(size: int, text: str) -> None:
    assert format_size(size) == text


def test_a_secret_never_prints(caplog: pytest.LogCaptureFixture) -> None:
    word = "hunter2"
    secret = Secret(word)
    holder = attrs.make_class("Holder", {"token": attrs.field()}, frozen=True)(secret)
    shown: list[str] = [
        repr(secret),
        str(secret),
        format(secret),
        format(secret, ""),
        f"{secret}",
        f"{secret!r:>20}",
        f"{secret!s}",
        "%s %r" % (secret, secret),  # noqa: UP031 - one of the ways in which it could leak
        "{}".format(secret),  # noqa: UP032 - one of the ways in which it could leak
        repr([secret]),
        str({"token": secret}),
        repr(holder),
        json.dumps(secret, default=str),
        json.dumps({"a": secret}, default=repr),
    ]
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("token %s %r", secret, secret)
        try:
            raise ValueError(secret)
        except ValueError:
            logging.getLogger("test").exception("failed")
    shown.append(caplog.text)
    assert not [text for text in shown if word in text]
    assert f"{secret:>5}" == "  ***"
    assert secret.reveal() == word
    assert secret
    assert not Secret("")
    assert secret == Secret(word)
    assert secret != Secret("other")
    assert secret != word
    assert len({secret, Secret(word)}) == 1
    with pytest.raises(AttributeError):
        secret._text = "other"
    with pytest.raises(AttributeError):
        del secret._text
    with pytest.raises(TypeError):
        json.dumps(secret)


def test_a_secret_is_not_written_by_the_converters_of_results() -> None:
    assert "hunter2" not in str(make_converter().unstructure(Secret("hunter2")))
    assert "hunter2" not in str(attrs.asdict(attrs.make_class("Holder", ["token"])(Secret("hunter2")), recurse=False))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda secret: pickle.loads(pickle.dumps(secret))])
def test_a_secret_that_travels_is_the_same_and_still_does_not_print(copied: Any) -> None:
    secret = copied(Secret("hunter2"))
    assert secret.reveal() == "hunter2"
    assert str(secret) == "***"


def test_what_a_command_sets_itself_wins_over_the_environment() -> None:
    environment = Environment(
        {"A": "environment", "B": "environment", "PATH": "/environment"}, (Path("/front"),), ("nice", "-n", "5")
    )
    inside = environment.inside(Command(("run", "me"), env={"B": "command"}))
    assert inside.argv == ("nice", "-n", "5", "run", "me")
    assert inside.env == {"A": "environment", "B": "command", "PATH": "/front:/environment"}
    assert environment.inside(Command(("x",), env={"PATH": "/own"})).env["PATH"] == "/front:/own"
    assert Environment(path=(Path("/a"), Path("/b"))).inside(Command(("x",))).env == {"PATH": "/a:/b"}
    assert Environment().inside(Command(("x",), env={"A": "1"})) == Command(("x",), env={"A": "1"})


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (CommandResult(0), "exit status 0"),
        (CommandResult(3), "exit status 3"),
        (CommandResult(None, signal.SIGTERM), "killed by SIGTERM"),
        (CommandResult(None, signal.SIGKILL), "killed by SIGKILL (the system may have run out of memory)"),
        (CommandResult(None, 60), "killed by signal 60"),
        (CommandResult(None, signal.SIGKILL, 12.6, timed_out=True), "stopped after 13 s: it ran into its time limit"),
    ],
)
def test_how_a_program_ended_is_told_in_words(result: CommandResult, reason: str) -> None:
    assert result.reason() == reason
    assert result.ok == (result.exit_code == 0)


def test_values_say_in_words_what_they_are() -> None:
    change = Change(
        "example/shop", ChangeKind.CHANGE, branch="main", ref="refs/changes/1", number="12345", patchset="2"
    )
    assert str(change) == "example/shop 12345,2"
    assert str(attrs.evolve(change, number=None)) == "example/shop refs/changes/1"
    assert str(Change("p", ChangeKind.REF_DELETED)) == "p ?"
    assert [str(Revision(branch="b")), str(Revision(tag="t")), str(Revision(commit="c"))] == ["b", "t", "c"]
    assert str(Location("a.py", 3, "shop", "12")) == "a.py:3, dataset shop, step 12"
    assert str(Location(line=3)) == ""
    assert str(Step("c", ("a", "b"))) == "a+b -> c"
    assert str(Step("a")) == "base -> a"
    assert str(Command(("a", "b c"))) == "a b c"


def test_every_value_of_the_model_is_frozen_and_documented() -> None:
    values = [value for name in model.__all__ if attrs.has(value := getattr(model, name))]
    assert len(values) > 20
    for cls in values:
        assert cls.__doc__, cls
        assert cls.__setattr__ is not object.__setattr__, f"{cls.__name__} can be changed"
        assert not (cls.__doc__ or "").startswith(f"{cls.__name__}("), f"{cls.__name__} has no docstring of its own"


def test_all_names_of_the_model_are_there_and_sorted() -> None:
    constants = [name for name in model.__all__ if name.isupper()]
    assert [*constants, *sorted(set(model.__all__) - set(constants))] == model.__all__
