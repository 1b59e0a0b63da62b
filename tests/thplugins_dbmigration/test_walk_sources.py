"""Which files a step is made of."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from thplugins_dbmigration.walk.sources import Sources

STEP = "versions/0003_add.py"
TEXT = "open(HERE / 'extra.sql'); import tools"


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, STEP, TEXT)
    return tmp_path


@pytest.mark.parametrize(
    "path",
    [
        "versions/0003_add.sql",
        "versions/0003_add.up.sql",
        "versions/sql/0003_add.sql",
        "versions/extra.sql",
        "versions/data/extra.sql",
    ],
)
def test_a_file_with_the_steps_name_or_one_that_the_step_names_belongs_to_it(root: Path, path: str) -> None:
    without = Sources(root).digest(STEP)
    write(root, path, "select 1")
    first = Sources(root).digest(STEP)
    write(root, path, "select 2")
    assert len({without, first, Sources(root).digest(STEP)}) == 3


@pytest.mark.parametrize(
    "path",
    [
        "versions/0003_add_more.sql",
        "versions/0003.sql",
        "versions/other.sql",
        "versions/tools.py",
        "versions/0003_add.pyc",
        "versions/__pycache__/0003_add.cpython-311.pyc",
        "versions/a/b/extra.sql",
        "extra.sql",
    ],
)
def test_other_files_do_not(root: Path, path: str) -> None:
    before = Sources(root).digest(STEP)
    write(root, path, "select 1")
    assert Sources(root).digest(STEP) == before == hashlib.sha256(TEXT.encode()).hexdigest()


@pytest.mark.parametrize("path", ["versions/0003_add.sql", "versions/0004/extra.sql"])
def test_what_links_lead_to_outside_of_the_checkout_belongs_to_no_step(
    root: Path, path: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    write(root, "versions/0004/__init__.py", "")
    steps = (STEP, "versions/0004/__init__.py")
    before = Sources(root).digests(steps)
    outside = tmp_path_factory.mktemp("outside") / "secret"
    outside.write_text("a")
    (root / path).symlink_to(outside)
    assert Sources(root).digests(steps) == before


def test_all_files_of_a_package_belong_to_it(root: Path) -> None:
    step = "versions/0004/__init__.py"
    write(root, step, "from . import upgrade")
    digests = {Sources(root).digest(step)}
    for path, text in (("upgrade.py", "1"), ("upgrade.py", "2"), ("sql/deep/down/x.sql", "1")):
        write(root, f"versions/0004/{path}", text)
        digests.add(Sources(root).digest(step))
    assert len(digests) == 4
    write(root, "versions/0004/__pycache__/upgrade.cpython-311.pyc", "x")
    assert Sources(root).digest(step) in digests


def test_a_step_without_a_file_has_no_digest(root: Path) -> None:
    sources = Sources(root)
    assert sources.digest("versions/0005.py") is None
    assert not sources.has("versions")
    assert set(sources.digests({STEP, "versions/0005.py"})) == {STEP}


def test_nothing_is_looked_for_outside_the_checkout(root: Path) -> None:
    checkout = root / "checkout"
    checkout.mkdir()
    (checkout / "versions").symlink_to(root / "versions")
    before = Sources(checkout).digest(STEP)
    write(root, "versions/0003_add.sql", "select 1")
    assert Sources(checkout).digest(STEP) == before is not None
