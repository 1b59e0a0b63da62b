"""Real projects of OpenStack on MariaDB: nova, cinder and keystone."""

from __future__ import annotations

from parts.real_projects import RealProject

_SYNC = """\
exec nova-manage --config-file "$1" db sync --local_cell "$(cat target)"
"""

_NOVA_CONF = """\
[DEFAULT]
state_path = {config}
[database]
connection = {url:pymysql}
[api_database]
connection = sqlite:///{config}/api.sqlite
"""

NOVA = RealProject(
    name="openstack/nova",
    trunk={
        "requirements.txt": "nova==22.4.0\nsqlalchemy<1.4\noslo.db<12\nPyMySQL\n",
        "sync.sh": _SYNC,
        "target": "254\n",
    },
    change={"target": "300\n"},
    venv={"exclude_newer": "2023-06-01"},
    dbmigration={
        "tool": "sqlalchemy_migrate",
        "sqlalchemy_migrate": {"command": ["sh", "sync.sh", "{config}/nova.conf"]},
        "files": {"nova.conf": _NOVA_CONF},
    },
    source="nova-mariadb",
    seed="nova_juno_254.sql.zst",
    dataset={
        "type": "mysql",
        "character_set": "utf8mb3",
        "start": "254",
        "maximum_migration_times": {"default": 120},
        "Innodb_rows_read": {"default": 100_000, "267": 5_000_000, "291": 1_000_000},
    },
)
"""nova 22.4, whose own command takes its database from one version to the next."""

NOVA_SYNC = ("nova-manage", "--config-file", "{config}/nova.conf", "db", "sync", "--local_cell")

NOVA_WALK = RealProject(
    name="openstack/nova-walk",
    releases={
        "22.4.0": {"requirements.txt": "nova==22.4.0\nsqlalchemy<1.4\noslo.db<12\nPyMySQL\n"},
        "27.5.1": {"requirements.txt": "nova==27.5.1\nsqlalchemy<2\noslo.db<12\nPyMySQL\n"},
    },
    trunk={"requirements.txt": "nova==31.0.0\nPyMySQL\n"},
    change={"requirements.txt": "nova==34.0.0\nPyMySQL\n"},
    venv={"exclude_newer": "2026-11-20"},
    dbmigration={
        "tool": "alembic",
        "alembic": {"command": list(NOVA_SYNC)},
        "files": {"nova.conf": _NOVA_CONF},
    },
    source="nova-mariadb",
    seed="nova_juno_254.sql.zst",
    fixups=("fixup_329.sql", "fixup_344.sql", "fixup_399.sql"),
    dataset={
        "type": "mysql",
        "character_set": "utf8mb3",
        "start": "254",
        "maximum_migration_times": {"default": 600},
        "releases": [
            {
                "name": "victoria",
                "tag": "22.4.0",
                "until": "412",
                "options": {"venv": {"exclude_newer": "2023-06-01"}},
                "tool": "sqlalchemy_migrate",
                "tool_options": {"command": list(NOVA_SYNC)},
                "fixups": [{"at": at, "sql": f"fixup_{at}.sql"} for at in ("329", "344", "399")],
            },
            {
                "name": "antelope",
                "tag": "27.5.1",
                "options": {"venv": {"exclude_newer": "2024-12-01"}},
                "tool": "sqlalchemy_migrate",
                "tool_options": {"command": list(NOVA_SYNC)},
            },
        ],
    },
)
"""nova from Juno to 34: through Victoria (sqlalchemy-migrate) and Antelope (that, then Alembic in the same command)."""

_CINDER_MANAGE = ("cinder-manage", "--config-file", "{config}/cinder.conf", "db")


def _cinder(version: str) -> dict[str, str]:
    return {"requirements.txt": f"cinder=={version}\nsqlalchemy<1.4\nPyMySQL\nsetuptools<57\n"}


CINDER = RealProject(
    name="openstack/cinder",
    releases={"11.2.2": _cinder("11.2.2"), "13.0.7": _cinder("13.0.7")},
    trunk=_cinder("15.4.1"),
    change=_cinder("18.0.0"),
    venv={"python": "3.7", "exclude_newer": "2021-05-01"},
    dbmigration={
        "tool": "sqlalchemy_migrate",
        "sqlalchemy_migrate": {"command": [*_CINDER_MANAGE, "sync"]},
        "files": {
            "cinder.conf": "[DEFAULT]\nstate_path = {config}\n[database]\nconnection = {url:pymysql}\n",
        },
    },
    source="",
    seed="empty.sql",
    dataset={
        "type": "mysql",
        "character_set": "utf8mb3",
        "releases": [
            {
                "name": "pike",
                "tag": "11.2.2",
                "options": {"venv": {"python": "3.6", "exclude_newer": "2019-08-01"}},
                "fixups": [{"at": "105", "sql": "rows.sql"}],
            },
            {
                "name": "rocky",
                "tag": "13.0.7",
                "options": {"venv": {"python": "3.6", "exclude_newer": "2019-12-01"}},
            },
        ],
        "fixups": [{"at": "132", "command": [*_CINDER_MANAGE, "online_data_migrations"]}],
    },
)
"""cinder of its sqlalchemy-migrate days, on the Pythons of those days: from nothing through Pike and Rocky to Train,
and a change to Wallaby, whose 136 refuses volumes without a type. Train's online_data_migrations give them one. The
dataset is made on the way: the first release makes the tables, and a fix-up its rows."""

KEYSTONE = RealProject(
    name="openstack/keystone",
    releases={
        "23.0.0": {"requirements.txt": "keystone==23.0.0\nsqlalchemy<2\nPyMySQL\n"},
        "24.0.0": {"requirements.txt": "keystone==24.0.0\nsqlalchemy<2\nPyMySQL\n"},
    },
    trunk={"requirements.txt": "keystone==27.0.0\nPyMySQL\n"},
    change={"requirements.txt": "keystone==30.0.0\nPyMySQL\n"},
    venv={"exclude_newer": "2026-11-20"},
    dbmigration={
        "tool": "alembic",
        "alembic": {"command": ["keystone-manage", "--config-file", "{config}/keystone.conf", "db_sync"]},
        "files": {"keystone.conf": "[database]\nconnection = {url:pymysql}\n"},
    },
    source="",
    seed="empty.sql",
    dataset={
        "type": "mysql",
        "character_set": "utf8mb3",
        "releases": [
            {
                "name": "antelope",
                "tag": "23.0.0",
                "options": {"venv": {"exclude_newer": "2023-06-01"}},
                "fixups": [{"at": "29e87d24a316", "sql": "rows.sql"}],
            },
            {"name": "bobcat", "tag": "24.0.0", "options": {"venv": {"exclude_newer": "2023-12-01"}}},
        ],
    },
)
"""keystone, whose Alembic has two heads, one of its branch expand and one of contract. The dataset is made on the way:
the first release makes the tables, and a fix-up its rows."""
