"""Alembic's steps on real servers: committed one by one, counted one by one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import define, field

from thcore.model import Step
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.template import Placeholders
from thplugins_dbmigration.tools.alembic import Alembic, AlembicOptions
from thplugins_dbmigration.tools.tool import Project, Stop

from parts.alembic_project import ENV, AlembicProject
from parts.guide import Told
from parts.servers import MARIADB, SYSTEM, Ground, Kind, ground, open_directory, query

pytestmark = pytest.mark.system
TOOL = Alembic()
OUTER = ENV.replace("engine.connect()", "engine.begin()").replace(", transaction_per_migration=True", "")
ONE_FOR_ALL = ENV.replace(", transaction_per_migration=True", "")
POOLED = ENV.replace(", poolclass=pool.NullPool", "").replace("with engine", "engine.connect().close()\nwith engine")
ROWS = ("create table t (x integer)", "insert into t values (1), (2), (3)", "insert into t values (4)")


@pytest.fixture(params=[MARIADB, SYSTEM], ids=str)
def kind(request: pytest.FixtureRequest) -> Kind:
    assert isinstance(request.param, Kind)
    return request.param


@define
class Counted(Told):
    """Reads a counter of the server around each step."""

    server: Server | None = None
    address: Address | None = None
    counter: str = ""
    counts: list[int | None] = field(factory=list)
    _began: int | None = None

    def _read(self) -> int | None:
        assert self.server is not None
        assert self.address is not None
        return self.server.counters(self.address)[self.counter]

    def before(self, step: Step) -> None:
        super().before(step)
        self._began = self._read()

    def after(self, step: Step, ok: bool) -> None:
        super().after(step, ok)
        ended = self._read()
        self.counts.append(None if ended is None or self._began is None else ended - self._began)


@define
class Site:
    """A project and a server for it."""

    ground: Ground
    server: Server
    made: AlembicProject

    def project(self, database: str = "shop") -> Project:
        address = self.server.create(database, "shop", "tester")
        place = self.made.path
        words = Placeholders.of(address, dataset="small", checkout=place, workspace=place.parent, config=place.parent)
        return Project(self.made.provision(), address, self.server, place, {}, words, "small")

    def walk(self, project: Project, guide: Told) -> Stop:
        return TOOL.walk(self.ground.build, AlembicOptions(), project, guide)


@pytest.fixture
def site(kind: Kind) -> Iterator[Site]:
    with open_directory() as root, ground(root, kind) as made, made.server() as server:
        yield Site(made, server, AlembicProject(Path(root) / "checkout"))


@pytest.mark.parametrize("env", [ENV, ONE_FOR_ALL, OUTER, POOLED], ids=["each", "one-for-all", "outer", "pooled"])
def test_each_step_is_committed_and_its_rows_are_counted_at_its_end(site: Site, env: str) -> None:
    site.made.env(env)
    for number, statement in enumerate(ROWS):
        site.made.revision(f"r{number}", f"r{number - 1}" if number else None, statement)
    site.made.revision("r3", "r2", "insert into t values (5)", body="raise ValueError('no')")
    project = site.project()
    seen: list[object] = []
    guide = Counted(
        server=site.server,
        address=project.address,
        counter={"mysql": "Handler_write", "postgresql": "tup_inserted"}[project.address.dialect],
        ended=lambda _step: seen.append(query(project.address, "select count(*) from t")[0][0]),
    )
    stop = site.walk(project, guide)
    assert stop.failed is not None
    assert (stop.failed.version, stop.message) == ("r3", "The migration refuses to go on: ValueError: no")
    assert seen == [0, 3, 4, 4]
    assert TOOL.versions(site.ground.build, AlembicOptions(), project) == {"r2"}
    assert guide.counts[1:3] == [3, 1]


@pytest.mark.parametrize("kind", [SYSTEM], ids=str, indirect=True)
@pytest.mark.parametrize("env", [ENV, ONE_FOR_ALL], ids=["each", "one-for-all"])
def test_what_must_run_outside_a_transaction_does(site: Site, env: str) -> None:
    site.made.env(env)
    site.made.revision("a", None, "create table t (x integer)", "insert into t values (1), (2)")
    body = "with op.get_context().autocommit_block():\n    op.execute('create index concurrently i on t (x)')"
    site.made.revision("b", "a", "insert into t values (3)", body=body).revision("c", "b", "insert into t values (4)")
    project, guide = site.project(), Told()
    assert site.walk(project, guide) == Stop()
    assert guide.told == [f"{word} {step}" for step in "abc" for word in ("before", "after")]
    assert query(project.address, "select count(*) from t") == [(4,)]
    assert query(project.address, "select count(*) from pg_indexes where indexname = 'i'") == [(1,)]


@pytest.mark.parametrize("kind", [SYSTEM], ids=str, indirect=True)
def test_rows_are_counted_though_a_step_leaves_sessions_open(site: Site) -> None:
    body = """
    from alembic import context
    from sqlalchemy import create_engine
    engine = create_engine(context.config.get_main_option("sqlalchemy.url"))
    with engine.begin() as connection:
        connection.exec_driver_sql("insert into t values (1), (2)")
    """
    site.made.revision("a", None, "create table t (x integer)").revision("b", "a", body=body)
    site.made.revision("c", "b", "insert into t values (3)")
    project = site.project()
    guide = Counted(server=site.server, address=project.address, counter="tup_inserted")
    assert site.walk(project, guide) == Stop()
    assert guide.counts[1:] == [2, 1]


LOCKING = ENV.replace(
    "with engine.connect() as connection",
    "lock = engine.connect()\nlock.exec_driver_sql('select pg_advisory_lock(1)')\nwith engine.connect() as connection",
)


@pytest.mark.parametrize("kind", [SYSTEM], ids=str, indirect=True)
@pytest.mark.parametrize("pool", ["NullPool", "SingletonThreadPool"])
def test_rows_are_counted_though_the_project_holds_a_lock_in_a_transaction(site: Site, pool: str) -> None:
    site.made.env(LOCKING.replace("NullPool", pool))
    for number, statement in enumerate(ROWS):
        site.made.revision(f"r{number}", f"r{number - 1}" if number else None, statement)
    project = site.project()
    guide = Counted(server=site.server, address=project.address, counter="tup_inserted")
    assert site.walk(project, guide) == Stop()
    assert guide.counts[1:] == [3, 1]


@pytest.mark.parametrize("kind", [SYSTEM], ids=str, indirect=True)
def test_a_step_whose_counts_are_hidden_in_an_open_transaction_is_not_counted(site: Site) -> None:
    body = """
    import builtins
    from alembic import context
    from sqlalchemy import create_engine
    builtins.held = create_engine(context.config.get_main_option("sqlalchemy.url")).connect()
    builtins.held.exec_driver_sql("select count(*) from t")
    """
    site.made.revision("a", None, "create table t (x integer)").revision("b", "a", body=body).revision("c", "b")
    project = site.project()
    guide = Counted(server=site.server, address=project.address, counter="tup_returned")
    assert site.walk(project, guide) == Stop()
    assert guide.counts[0] is not None
    assert guide.counts[1:] == [None, None], "nobody knows when it will tell"


@pytest.mark.parametrize("kind", [SYSTEM], ids=str, indirect=True)
def test_a_chain_in_a_schema_of_its_own_is_named_and_read(site: Site) -> None:
    site.made.env(ENV.replace("connection=connection,", "connection=connection, version_table_schema='apart',"))
    site.made.revision("a", None)
    project, guide = site.project(), Told()
    query(project.address, "create schema apart")
    assert site.walk(project, guide) == Stop()
    (chain,) = (plan.chain for plan in guide.plans)
    assert chain == "shop.apart.alembic_version"
    assert TOOL.versions(site.ground.build, AlembicOptions(), project, chain) == {"a"}
    options = AlembicOptions(version_table="apart.alembic_version")
    assert TOOL.versions(site.ground.build, options, project) == {"a"}


def test_a_second_database_of_the_server_has_a_chain_of_its_own(site: Site) -> None:
    site.made.env(
        """
        from alembic import context
        from sqlalchemy import create_engine
        main = create_engine(context.config.get_main_option("sqlalchemy.url"))
        for engine in (main, create_engine(main.url.set(database="shop_api", username="api"))):
            with engine.connect() as connection:
                context.configure(connection=connection)
                with context.begin_transaction():
                    context.run_migrations()
        """
    )
    site.made.revision("a", None).revision("b", "a")
    project, guide = site.project(), Told()
    site.server.create("shop_api", "api", "tester")
    assert site.walk(project, guide) == Stop()
    assert [plan.chain for plan in guide.plans] == ["", "shop_api.alembic_version"]
    assert TOOL.versions(site.ground.build, AlembicOptions(), project, "shop_api.alembic_version") == {"b"}
    assert guide.told == ["before a", "after a", "before b", "after b"] * 2
