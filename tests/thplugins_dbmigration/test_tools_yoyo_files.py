from __future__ import annotations

from pathlib import Path

import pytest

from thcore.errors import ChangeError
from thplugins_dbmigration.tools import yoyo_files
from thplugins_dbmigration.tools.yoyo_files import Configuration

from parts.yoyo_project import YoyoProject


@pytest.fixture
def made(tmp_path: Path) -> YoyoProject:
    return YoyoProject(tmp_path / "checkout")


def said(made: YoyoProject, directory: str = ".", **variables: str) -> Configuration:
    return yoyo_files.configuration((made.path / directory).resolve(), made.path, variables)


def test_the_configuration_names_directories_and_the_table(made: YoyoProject) -> None:
    made.ini("sources = %(here)s/migrations  more", "migration_table = applied", "database = %(DATABASE_URL)s")
    assert said(made) == Configuration((f"{made.path}/migrations", "more"), "applied")


def test_the_configuration_is_looked_for_upwards_as_yoyo_does_and_never_above_the_checkout(made: YoyoProject) -> None:
    (made.path.parent / "yoyo.ini").write_text("[DEFAULT]\nsources = elsewhere\n")
    assert said(made, "migrations").sources == (f"{made.path}/migrations",)
    (made.path / "yoyo.ini").unlink()
    assert said(made, "migrations") == Configuration()


def test_the_configuration_may_name_variables(made: YoyoProject) -> None:
    made.ini("sources = %(HOME_OF_IT)s/m")
    assert said(made, HOME_OF_IT="/100%").sources == ("/100%/m",)
    with pytest.raises(ChangeError, match=r"yoyo\.ini cannot be read: .*home_of_it") as raised:
        said(made)
    assert raised.value.code == "tool-unusable"


def test_migrations_are_the_files_of_the_sources(made: YoyoProject, tmp_path: Path) -> None:
    for name in ("b.sql", "a.py", "b.rollback.sql", "readme.txt"):
        made.migration(name, "")
    (made.path / "deep" / "shop" / "changes").mkdir(parents=True)
    (made.path / "deep" / "shop" / "changes" / "c.py").touch()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.py").touch()

    def ids(*sources: str) -> set[str]:
        return set(yoyo_files.migrations(made.path, made.path, sources))

    assert ids("migrations") == ids("migr*") == ids(f"{made.path}/migrations") == {"a", "b"}
    assert ids("package:shop:changes") == {"c"}
    assert ids("../outside", str(tmp_path / "outside"), "nowhere") == set()
    assert ids() == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("m.py", "from yoyo import step\n__depends__ = {'a', 'b'}\n", {"a", "b"}),
        ("m.py", "__depends__: set[str] = {'a'}\n", {"a"}),
        ("m.py", "__depends__ = ['a']\n", {"a"}),
        ("m.py", "__depends__ = 'a'\n", {"a"}),
        ("m.py", "__depends__ = {}\n", set()),
        ("m.py", "__depends__ = names()\n", set()),
        ("m.py", "this is no Python", set()),
        ("m.sql", "-- Adds an index\n-- depends: a b\n\n--depends: c\nSELECT 1;\n-- depends: d\n", {"a", "b", "c"}),
        ("m.sql", "SELECT 1", set()),
    ],
)
def test_a_file_says_what_it_depends_on(made: YoyoProject, name: str, text: str, found: set[str]) -> None:
    made.migration(name, text)
    assert yoyo_files.depends(made.file(name)) == found


def test_heads_are_those_that_nothing_applied_depends_on(made: YoyoProject) -> None:
    made.migration("1.sql", "").migration("2.sql", "-- depends: 1").migration("3.sql", "-- depends: 1")
    files = yoyo_files.migrations(made.path, made.path, ("migrations",))

    assert yoyo_files.heads(frozenset("1"), files) == {"1"}
    assert yoyo_files.heads(frozenset("123"), files) == {"2", "3"}
    assert yoyo_files.heads(frozenset({"1", "2", "gone"}), files) == {"2", "gone"}
