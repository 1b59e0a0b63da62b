"""The command that does a build again asks for the same."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest

from thcore.cli.arguments import change_options, zuul_arguments
from thcore.gearman import zuul
from thcore.model import Change, ChangeKind, repetition

COMMIT = "9b1c6a0d4f7e2835ab90cd12ef345678a1b2c3d4"


@pytest.mark.parametrize(
    "change",
    [
        Change(
            "example/shop",
            ChangeKind.CHANGE,
            branch="stable/1",
            ref="refs/zuul/main/Z1",
            commit=COMMIT,
            source="https://zuul.example.org/p",
        ),
        Change("example/shop", ChangeKind.CHANGE, ref="refs/changes/45/12345/2"),
        Change("example/shop", ChangeKind.REF_UPDATED, branch="main", ref="main", commit=COMMIT),
        Change("example/shop", ChangeKind.TAG, ref="refs/tags/1.0"),
        Change("example/shop", ChangeKind.BRANCH, branch="main"),
    ],
    ids=lambda change: change.kind.value,
)
def test_what_it_does_again_is_what_was_asked_for(change: Change) -> None:
    asked: list[Change] = []

    @click.command
    @click.argument("job")
    @change_options
    def run(job: str, **options: Any) -> None:
        arguments = zuul_arguments(job, "run", **options)
        asked.append(zuul.parse(f"build:{job}", arguments["ZUUL_UUID"], json.dumps(arguments).encode()).change)

    program, name, *arguments = shlex.split(repetition.command("gate-shop", change))
    assert (program, name) == ("thcore", "run")
    run(arguments, standalone_mode=False)
    assert asked == [change]


def test_nothing_in_it_is_taken_for_an_option_or_a_command(tmp_path: Path) -> None:
    evil = f"--help; touch {tmp_path}/owned; $(touch {tmp_path}/owned)"
    told = repetition.command(evil, Change(evil, ChangeKind.CHANGE, branch=evil, ref=evil), {"shop.step": evil})
    shown = subprocess.run(
        ["sh", "-c", told.replace("thcore run", "printf '%s\\n'", 1)], check=True, capture_output=True, text=True
    )
    assert shown.stdout.splitlines() == [
        *(f"--{name}={evil}" for name in ("project", "branch", "ref", "option=shop.step")),
        "--",
        evil,
    ]
    assert not (tmp_path / "owned").exists()
