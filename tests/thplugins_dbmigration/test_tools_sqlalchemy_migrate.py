"""sqlalchemy-migrate's own library on private servers of every engine, watched step by step."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.errors import ChangeError, InfrastructureError
from thcore.model import Checkout, Environment, Provision, Step
from thplugins_dbmigration.tools.sqlalchemy_migrate import SqlalchemyMigrate, SqlalchemyMigrateOptions
from thplugins_dbmigration.tools.tool import Enough, Stop

from parts.guide import Told
from parts.interpreters import interpreter
from parts.servers import EMBEDDED, MARIADB, SQLITE, Kind
from parts.site import Site, site

pytestmark = [pytest.mark.system, pytest.mark.slow]

TOOL = SqlalchemyMigrate()
SHOP = {
    "migrate.cfg": "[db_settings]\nrepository_id = the shop\nversion_table = migrate_version\nrequired_dbs = []\n",
    "versions/001_users.py": """\
        from sqlalchemy import Column, Integer, MetaData, String, Table

        def upgrade(migrate_engine):
            columns = Column("id", Integer, primary_key=True), Column("name", String(20))
            Table("users", MetaData(bind=migrate_engine), *columns).create()
        """,
    "versions/002_placeholder.py": "def upgrade(migrate_engine):\n    pass\n",
    "versions/003_add_people_default_upgrade.sql": """\
        INSERT INTO users VALUES (1, 'Ann');
        INSERT INTO users VALUES (2, NULL);
        """,
    "versions/004_index.py": "def upgrade(engine):\n    engine.execute('CREATE INDEX n ON users (name)')\n",
    "versions/004_index_mysql_upgrade.sql": "-- short\nCREATE INDEX n ON users (name(5));\n",
}
REFUSES = """\
from sqlalchemy import text

class NotReadyError(Exception):
    pass

def upgrade(migrate_engine):
    count = migrate_engine.execute(text("SELECT count(*) FROM users WHERE name IS NULL")).scalar()
    if count:
        raise NotReadyError("There are still %d users without a name" % count)
"""
PROGRAM = """\
import sys

from sqlalchemy import create_engine
from migrate.versioning.schema import ControlledSchema

url, *repositories = sys.argv[1:]
engine = create_engine(url)
for path in repositories:
    try:
        schema = ControlledSchema(engine, path)
    except Exception:
        schema = ControlledSchema.create(engine, path)
    schema.upgrade()
"""


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    packages = "sqlalchemy-migrate", "sqlalchemy<2", "setuptools<80", "PyMySQL", "psycopg2-binary"
    return interpreter(tmp_path_factory.mktemp("environment") / "venv", *packages)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    write(tmp_path / "checkout" / "shop" / "repo", SHOP)
    return tmp_path / "checkout"


def write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(textwrap.dedent(text))


def made(kind: Kind, checkout: Path, environment: Environment, place: Path) -> Iterator[Site]:
    with site(kind, TOOL, Provision(Checkout(checkout, "0" * 40), environment), place) as found:
        yield found


@pytest.fixture(params=[MARIADB, EMBEDDED, SQLITE], ids=str)
def anywhere(
    request: pytest.FixtureRequest, checkout: Path, environment: Environment, tmp_path: Path
) -> Iterator[Site]:
    yield from made(request.param, checkout, environment, tmp_path / "site")


@pytest.fixture
def here(checkout: Path, environment: Environment, tmp_path: Path) -> Iterator[Site]:
    yield from made(SQLITE, checkout, environment, tmp_path / "site")


def test_changes_are_walked_one_at_a_time_and_each_is_committed_before_the_next(anywhere: Site) -> None:
    seen: list[frozenset[str]] = []

    guide, stop = anywhere.walk(Told(ended=lambda _step: seen.append(anywhere.versions())))

    assert stop == Stop()
    (plan,) = guide.plans
    assert (plan.current, plan.head, plan.chain) == ({"0"}, {"4"}, "")
    mysql = anywhere.project.address.dialect == "mysql"
    versions = "shop/repo/versions"
    assert plan.steps == (
        Step("1", ("0",), "users", f"{versions}/001_users.py"),
        Step("2", ("1",), "placeholder", f"{versions}/002_placeholder.py"),
        Step("3", ("2",), "add people", f"{versions}/003_add_people_default_upgrade.sql"),
        Step("4", ("3",), "index", f"{versions}/004_index{'_mysql_upgrade.sql' if mysql else '.py'}"),
    )
    assert guide.told == [f"{word} {number}" for number in range(1, 5) for word in ("before", "after")]
    assert seen == [{"1"}, {"2"}, {"3"}, {"4"}]
    assert anywhere.query("SELECT name FROM users ORDER BY id") == [("Ann",), (None,)]
    again, stop = anywhere.walk()
    assert (again.plans[0].steps, again.plans[0].current, stop) == ((), {"4"}, Stop())


def test_a_failed_step_is_told_in_the_servers_words_with_statement_and_line(anywhere: Site, checkout: Path) -> None:
    sql = "-- who comes\nINSERT INTO users VALUES (3, 'Bob');\n\nINSERT INTO users\n  VALUES (1, 'Bob');\n"
    write(checkout / "shop/repo/versions", {"005_more_default_upgrade.sql": sql})

    guide, stop = anywhere.walk()

    assert guide.told[-1] == "failed 5"
    assert stop.failed is not None
    assert stop.failed.path == "shop/repo/versions/005_more_default_upgrade.sql"
    assert stop.line == 4
    words = {
        "mysql": "IntegrityError [23000]: (1062) Duplicate entry '1' for key 'PRIMARY'",
        "postgresql": 'UniqueViolation [23505]: duplicate key value violates unique constraint "users_pkey"',
        "sqlite": "IntegrityError: UNIQUE constraint failed: users.id",
    }
    assert stop.message.startswith(words[anywhere.project.address.dialect])
    assert any(line.startswith("statement: INSERT INTO users VALUES (1, 'Bob')") for line in stop.evidence)
    assert "Traceback (most recent call last):" in stop.evidence, "all that was said is kept"
    assert anywhere.versions() == {"4"}


def test_a_migration_that_refuses_to_go_on_says_so(here: Site, checkout: Path) -> None:
    write(checkout / "shop/repo/versions", {"005_names.py": REFUSES})

    _, stop = here.walk()

    assert stop.message == "The migration refuses to go on: NotReadyError: There are still 1 users without a name"
    assert stop.line == 9
    assert here.versions() == {"4"}
    here.query("UPDATE users SET name = 'Bob' WHERE name IS NULL")
    guide, stop = here.walk()
    assert (guide.told, stop) == (["before 5", "after 5"], Stop())


def test_the_walk_goes_as_far_as_the_guide_wants_and_can_go_on_afterwards(here: Site) -> None:
    def enough(step: Step) -> None:
        if step.version == "3":
            raise Enough

    here.walk(Told(most=2))
    assert here.versions() == {"2"}
    _, stop = here.walk(Told(ended=enough))
    assert (here.versions(), stop) == ({"3"}, Stop())
    guide, _ = here.walk()
    assert guide.told == ["before 4", "after 4"]


def test_a_command_of_the_project_may_walk_several_repositories_as_several_chains(here: Site, checkout: Path) -> None:
    config = SHOP["migrate.cfg"].replace("the shop", "the_api")
    write(checkout / "api", {"migrate.cfg": config, "versions/001_a.py": SHOP["versions/002_placeholder.py"]})
    write(checkout, {"sync.py": PROGRAM})
    command = ("python", "sync.py", "{url}", "shop/repo", "api")

    guide, stop = here.walk(command=command, repository="shop/repo")

    assert stop == Stop()
    other = "migrate_version:version[repository_id=the_api]"
    assert [(plan.chain, plan.head) for plan in guide.plans] == [("", {"4"}), (other, {"1"})]
    assert {step.chain for step in guide.plans[1].steps} == {other}
    assert here.versions(repository="shop/repo") == here.versions(repository_id="the shop") == {"4"}
    assert here.versions(other, repository="shop/repo") == {"1"}
    with pytest.raises(InfrastructureError, match=r"several repositories \(the shop, the_api\); name the"):
        here.versions()


def test_the_only_row_counts_when_the_checkout_has_no_repository(here: Site, checkout: Path, tmp_path: Path) -> None:
    shutil.move(checkout / "shop", tmp_path / "installed")
    write(checkout, {"sync.py": PROGRAM})
    command = ("python", "sync.py", "{url}", str(tmp_path / "installed" / "repo"))
    here.walk(Told(most=2), command=command)
    assert here.versions() == {"2"}

    guide, stop = here.walk(command=command)

    assert stop == Stop()
    assert [(plan.chain, plan.current) for plan in guide.plans] == [("", {"2"})]
    assert {step.path for step in guide.plans[0].steps} == {None}, "the files are outside the checkout"


def test_a_repository_that_cannot_be_used_is_told(here: Site, checkout: Path) -> None:
    with pytest.raises(ChangeError, match=r"shop, which .*\.repository names, has no migrate\.cfg"):
        here.walk(repository="shop")
    (checkout / "shop/repo/versions/005_package").mkdir()
    with pytest.raises(ChangeError, match="There is no script for 5 version") as raised:
        here.walk()
    assert raised.value.code == "tool-unusable"
    write(checkout / "other", {"migrate.cfg": SHOP["migrate.cfg"]})
    with pytest.raises(InfrastructureError, match=r"several repositories \(other, shop/repo\); name one in"):
        here.walk()
    shutil.rmtree(checkout / "other")
    shutil.rmtree(checkout / "shop")
    with pytest.raises(ChangeError, match=r"No migration found: the checkout has no migrate\.cfg"):
        here.walk()


def test_the_project_is_detected_by_its_repositories(checkout: Path, tmp_path: Path) -> None:
    assert TOOL.detect(checkout) == "shop/repo/migrate.cfg"
    (tmp_path / "empty").mkdir()
    assert TOOL.detect(tmp_path / "empty") is None


def test_changes_are_taken_back_where_they_say_how(here: Site, checkout: Path) -> None:
    back = "def upgrade(engine):\n    engine.execute('CREATE INDEX n ON users (name)')\n\n\n"
    back += "def downgrade(engine):\n    engine.execute('DROP INDEX n')\n"
    write(checkout, {"shop/repo/versions/004_index.py": back})
    guide, _ = here.walk()
    steps = guide.plans[0].steps

    assert TOOL.back(here.build, SqlalchemyMigrateOptions(), here.project, steps[3:]).ok
    assert here.versions() == {"3"}
    refused = TOOL.back(here.build, SqlalchemyMigrateOptions(), here.project, steps[2:3])
    assert not refused.ok
    assert here.versions() == {"3"}
    assert refused.tail[-1] == "AssertionError: There is no script for 3 version"
