from __future__ import annotations

import re
from pathlib import Path

import pytest

from thcore.builtin.system_packages import missing
from thcore.builtin.uv_process import judged
from thcore.errors import InfrastructureError

BUILDS = Path(__file__).parent / "data" / "failed_builds"
"""What uv said of builds that failed on a machine without the thing, shortened."""

TOLD = {
    "borgbackup": "the library lz4 is missing; on Debian: apt-get install liblz4-dev",
    "cryptography-of-older-setuptools": "the module pkg_resources is missing; it is older than the setuptools",
    "dbus-python": "the pkg-config module dbus-1 is missing; on Debian: apt-get install libdbus-1-dev",
    "greenlet-without-compiler": "the program g++ is missing; on Debian: apt-get install build-essential",
    "greenlet-without-headers": "the header Python.h is missing; on Debian: apt-get install python3-dev",
    "gssapi": "the program krb5-config is missing; on Debian: apt-get install libkrb5-dev",
    "h5py": "the library libhdf5.so is missing; on Debian: apt-get install libhdf5-dev",
    "lxml-of-an-older-python": "the header longintrepr.h is missing; it is older than this Python",
    "m2crypto": "the program swig is missing; on Debian: apt-get install swig",
    "mysqlclient": "the pkg-config module mysqlclient is missing; on Debian: apt-get install libmariadb-dev pkg-config",
    "mysqlclient-before-pkg-config": "the program mysql_config is missing; on Debian: apt-get install libmariadb-dev",
    "mysqlclient-without-pkg-config": "the program pkg-config is missing; on Debian: apt-get install pkg-config",
    "netifaces-without-compiler": "the program gcc is missing; on Debian: apt-get install build-essential",
    "netifaces-without-headers": "the header Python.h is missing; on Debian: apt-get install python3-dev",
    "psycopg2": "the program pg_config is missing; on Debian: apt-get install libpq-dev",
    "pycairo": "the pkg-config module cairo is missing; on Debian: apt-get install libcairo2-dev",
    "pycurl": "the program curl-config is missing; on Debian: apt-get install libcurl4-openssl-dev",
    "pygraphviz": "the header graphviz/cgraph.h is missing; on Debian: apt-get install libgraphviz-dev",
    "pymssql": "the header sqlfront.h is missing; on Debian: apt-get install freetds-dev",
    "pyodbc": "the header sql.h is missing; on Debian: apt-get install unixodbc-dev",
    "python-ldap": "the header lber.h is missing; on Debian: apt-get install libldap-dev libsasl2-dev",
    "rpds-py": "the Rust compiler is missing; on Debian: apt-get install cargo",
    "systemd-python": "the pkg-config module libsystemd is missing; on Debian: apt-get install libsystemd-dev",
}


@pytest.mark.parametrize("build", sorted(TOLD))
def test_a_build_that_misses_something_is_told_by_its_name(build: str) -> None:
    output = (BUILDS / f"{build}.txt").read_text()

    error = judged("uv pip install", "exit status 1", tuple(output.splitlines()), third_party=True)

    assert isinstance(error, InfrastructureError)
    assert error.code == "package-not-built"
    first = str(error).splitlines()[0]
    assert TOLD[build] in first
    assert first.lower().startswith(re.split("-(?:of|without|before)-", build)[0])


def test_every_build_that_was_recorded_is_told() -> None:
    without = {path.stem for path in BUILDS.glob("*.txt")} - TOLD.keys()

    assert without == {"cffi-that-does-not-compile"}


def test_a_package_that_is_itself_at_fault_misses_nothing() -> None:
    assert missing((BUILDS / "cffi-that-does-not-compile.txt").read_text()) is None


def test_what_nobody_knows_is_named_all_the_same() -> None:
    said = missing("error: Failed to build `x==1`\nx.c:1:10: fatal error: unheard_of.h: No such file or directory\n")

    assert str(said) == "x 1 cannot be built here, the header unheard_of.h is missing; install what brings it"
