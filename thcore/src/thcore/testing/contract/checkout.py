"""What every checkout does."""

# ruff: noqa: S101 - pytest's checks are assertions
from __future__ import annotations

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from thcore.errors import CancelledError, ChangeError, DeadlineError, InfrastructureError
from thcore.model import Change, Checkout
from thcore.testing.build import ProvidedBuild
from thcore.testing.contract import hostile
from thcore.testing.contract.bench import Bench
from thcore.testing.contract.kill import killed
from thcore.testing.contract.plugin import PluginContract, given
from thcore.testing.local import NAME


class CheckoutContract(PluginContract):
    """Checks of a plugin that implements ``thcore_checkout``.

    ``change`` is a change that can be checked out, best with its ``commit``. ``missing`` is one that does not exist;
    without it, one is made of ``change``.
    """

    hook = "thcore_checkout"
    missing: Any = None

    @pytest.fixture
    def asked(self, bench: Bench) -> Change:
        """The change."""
        assert bench.change is not None, "the suite is given no change"
        return bench.change

    def test_the_change_is_inside_the_workspace_and_its_commit_is_known(self, bench: Bench) -> None:
        with bench.build() as build:
            checkout = _check_out(bench, build)

            assert checkout.path.is_dir()
            assert checkout.path.resolve().is_relative_to(build.workspace.source.resolve())
            assert re.fullmatch("[0-9a-f]{40}", checkout.commit)
            assert build.change.commit in {None, checkout.commit}

    def test_a_commit_that_is_resolved_is_the_one_that_is_checked_out(self, bench: Bench) -> None:
        with bench.build() as build:
            commit = bench.plugins.resolve(NAME, build, bench.options)
            assert not build.workspace.source.exists(), "thcore_resolve makes no work tree"
            assert commit in {None, _check_out(bench, build).commit}

    def test_builds_at_the_same_time_get_the_same_tree(self, bench: Bench) -> None:
        def tree(number: int) -> tuple[str, dict[str, bytes]]:
            with bench.build(f"b{number}") as build:
                checkout = _check_out(bench, build)
                return checkout.commit, _contents(checkout.path)

        with ThreadPoolExecutor(3) as pool:
            first, second, third = pool.map(tree, range(3))

        assert first == second == third

    def test_whatever_is_done_to_one_build_does_not_reach_another(self, bench: Bench) -> None:
        with bench.build("b1") as build, bench.build("b2") as damaged:
            checkout = _check_out(bench, build)
            before = _contents(checkout.path)
            _damage(_check_out(bench, damaged).path)
            bench.clean_up(damaged)
            shutil.rmtree(damaged.workspace.root)

            assert _contents(checkout.path) == before
        with bench.build("b3") as later:
            assert _contents(_check_out(bench, later).path) == before

    def test_a_change_that_does_not_exist_is_told_as_such(
        self, bench: Bench, asked: Change, request: pytest.FixtureRequest
    ) -> None:
        missing = given(request, "missing") or _missing(asked)

        with bench.build(change=missing) as build, pytest.raises((ChangeError, InfrastructureError)):
            _check_out(bench, build)

    @pytest.mark.parametrize("word", hostile.WORDS)
    def test_hostile_words_of_a_change_do_no_harm(self, bench: Bench, asked: Change, word: str) -> None:
        changes = (
            evolve(asked, project=word),
            evolve(asked, ref=word),
            evolve(asked, branch=word),
            evolve(asked, commit=word),
        )
        for number, change in enumerate(changes):
            with bench.build(f"b{number}", change=change) as build:
                try:
                    checkout = _check_out(bench, build)
                except (ChangeError, InfrastructureError):
                    continue
                assert checkout.path.resolve().is_relative_to(build.workspace.source.resolve())
        assert not list(bench.directory.parent.rglob("escape*"))
        assert not Path("escape").exists()

    def test_a_build_that_was_cancelled_is_not_checked_out(self, bench: Bench) -> None:
        with bench.cancelled() as build, pytest.raises(CancelledError):
            _check_out(bench, build)

    def test_a_build_whose_time_is_over_is_not_checked_out(self, bench: Bench) -> None:
        with bench.late() as build, pytest.raises(DeadlineError):
            _check_out(bench, build)

    def test_after_a_kill_the_next_attempt_gets_the_same_tree(self, bench: Bench) -> None:
        with bench.build("b1") as build:
            expected = _contents(_check_out(bench, build).path)
        for ground, build_id in killed(bench, _check_out, self.kills):
            with ground.build(build_id) as build:
                ground.clean_up(build)
                ground.clean_up(build)
                shutil.rmtree(build.workspace.root)
            with ground.build(build_id, attempt=2) as build:
                assert _contents(_check_out(ground, build).path) == expected

    def test_cleanup_after_a_checkout_may_come_twice_and_leaves_the_next_build_well(self, bench: Bench) -> None:
        with bench.build("b1") as build:
            before = _contents(_check_out(bench, build).path)
            bench.clean_up(build)
            bench.clean_up(build)
        with bench.build("b1", attempt=2) as again:
            assert _contents(_check_out(bench, again).path) == before


def _check_out(bench: Bench, build: ProvidedBuild) -> Checkout:
    return bench.plugins.checkout(NAME, build, bench.options)


def _missing(change: Change) -> Change:
    return evolve(
        change,
        branch="there-is-no-such-branch",
        ref=change.ref and "refs/changes/99/no/such",
        commit=change.commit and "0123456789" * 4,
    )


def _contents(tree: Path) -> dict[str, bytes]:
    """Every file of a work tree; what a version control system keeps for itself has a dot in front."""
    return {
        str(path.relative_to(tree)): path.read_bytes()
        for path in tree.rglob("*")
        if path.is_file() and not path.relative_to(tree).parts[0].startswith(".")
    }


def _damage(tree: Path) -> None:
    """Write into every file, as a program of the change could."""
    for path in list(tree.rglob("*")):
        if path.is_file() and not path.is_symlink():
            path.chmod(0o600)
            with path.open("r+b") as file:
                file.write(b"damaged\n")
