"""What a package's build misses on the machine, by what the build says, and the Debian packages that bring it."""

from __future__ import annotations

import re

from attrs import frozen

_SIGNS = (
    ("the header {}", r"fatal error: '?([\w./+-]+\.h(?:pp)?)'?(?: file not found|: No such file or directory)"),
    ("the program {}", r"error: \[Errno 2\] No such file or directory: '([\w.+-]+)'"),
    ("the program {}", r"error: command '([\w.+-]+)' failed: No such file or directory"),
    ("the program {}", r"error: command '([\w.+-]+)' failed: None"),
    ("the program {}", r"unable to execute '([\w.+-]+)': No such file or directory"),
    ("the program {}", r"/sh: (?:\d+: |line \d+: )?([\w.+-]+): (?:command )?not found"),
    ("the program {}", r"(?:Error: |^\s*)([\w.]+[-_]config)(?: executable)? not found"),
    ("the program {}", r"FileNotFoundError: .* No such file or directory: '([\w.+-]+)'"),
    ("a {} compiler", r"ERROR: Unknown compiler\(s\): \[\['(cc|c\+\+|gcc|g\+\+)'"),
    ("the {} compiler", r"(?i:can't find|could not find|requires a) (Rust) compiler"),
    ("the {} compiler", r"^\s*(Rust) not found, installing"),
    ("the program {}", r"(cargo)(?:, the Rust package manager,)? is not installed or is not on PATH"),
    ("the pkg-config module {}", r'ERROR: Dependency "([\w.+-]+)" not found'),
    ("the pkg-config module {}", r"Package '?([\w.+-]+)'? was not found in the pkg-config search path"),
    ("the pkg-config module {}", r"No package '([\w.+-]+)' found"),
    ("the pkg-config module {}", r"Command 'pkg-config --exists ([\w.+-]+)' returned non-zero exit status 1\b"),
    ("the pkg-config module {}", r"make sure that `pkg-config` .*finds? `?([\w.+-]+)"),
    ("the library {}", r"cannot find -l([\w.+-]+)"),
    ("the library {}", r"error: (lib[\w.+-]+\.so[.\d]*): cannot open shared object file"),
    ("the library {}", r"Could not find (\w+) lib/headers"),
    ("the module {}", r"ModuleNotFoundError: No module named '(pkg_resources|distutils|imp)'"),
    ("the library {}", r"(?:Please make sure the|Is your) (libxml2|libxslt)"),
)
"""How builds say what they miss, the most telling first."""

_DEBIAN = {
    "Python.h": "python3-dev",
    "Rust": "cargo",
    "c++": "build-essential",
    "cairo": "libcairo2-dev",
    "cargo": "cargo",
    "cc": "build-essential",
    "cmake": "cmake",
    "curl-config": "libcurl4-openssl-dev",
    "dbus-1": "libdbus-1-dev",
    "ffi.h": "libffi-dev",
    "g++": "build-essential",
    "gcc": "build-essential",
    "gfortran": "gfortran",
    "glib-2.0": "libglib2.0-dev",
    "gobject-introspection-1.0": "libgirepository1.0-dev",
    "graphviz/cgraph.h": "libgraphviz-dev",
    "krb5-config": "libkrb5-dev",
    "lber.h": "libldap-dev",
    "ldap.h": "libldap-dev",
    "libffi": "libffi-dev",
    "libhdf5.so": "libhdf5-dev",
    "libpq-fe.h": "libpq-dev",
    "libsystemd": "libsystemd-dev",
    "libvirt": "libvirt-dev",
    "libxml/xmlversion.h": "libxml2-dev",
    "libxml2": "libxml2-dev",
    "libxslt": "libxslt1-dev",
    "lz4": "liblz4-dev",
    "make": "build-essential",
    "mariadb": "libmariadb-dev",
    "mysql.h": "libmariadb-dev",
    "mysql_config": "libmariadb-dev",
    "mysqlclient": "libmariadb-dev",
    "openssl/opensslv.h": "libssl-dev",
    "openssl/ssl.h": "libssl-dev",
    "pg_config": "libpq-dev",
    "pkg-config": "pkg-config",
    "sasl/sasl.h": "libsasl2-dev",
    "sql.h": "unixodbc-dev",
    "sqlfront.h": "freetds-dev",
    "sqlite3.h": "libsqlite3-dev",
    "swig": "swig",
    "xmlsec1": "libxmlsec1-dev",
    "yaml.h": "libyaml-dev",
    "zlib.h": "zlib1g-dev",
}
"""The Debian package that brings a thing."""

_WITH = {
    "gssapi": ("libkrb5-dev",),
    "mysqlclient": ("libmariadb-dev", "pkg-config"),
    "psycopg": ("libpq-dev",),
    "psycopg2": ("libpq-dev",),
    "pygobject": ("libgirepository1.0-dev", "libcairo2-dev", "pkg-config"),
    "python-ldap": ("libldap-dev", "libsasl2-dev"),
    "xmlsec": ("libxmlsec1-dev", "pkg-config"),
}
"""What a Python package's build asks for next, once the first thing is there."""

_AGE = {
    "longintrepr.h": "it is older than this Python; give it one of its day: venv: {python: …}",
    "pkg_resources": "it is older than the setuptools that builds it; give it what was there in its day: "
    "venv: {exclude_newer: …}",
    "distutils": "it is older than this Python; give it one of its day: venv: {python: …}",
    "imp": "it is older than this Python; give it one of its day: venv: {python: …}",
}
"""What no system package brings back."""

_FAILED = re.compile(r"Failed to build `([\w.-]+?)(?:==([^`]+))?`")
_FOUND = tuple((words, re.compile(pattern, re.MULTILINE)) for words, pattern in _SIGNS)


@frozen
class Missing:
    """A thing that is not on the machine. ``package`` is the Python package whose build misses it, as in
    ``mysqlclient 2.2.0``; ``debian`` are the packages that bring it, as far as they are known."""

    what: str
    package: str
    debian: tuple[str, ...] = ()
    advice: str = "install what brings it"

    def __str__(self) -> str:
        advice = f"on Debian: apt-get install {' '.join(self.debian)}" if self.debian else self.advice
        return f"{self.package} cannot be built here, {self.what} is missing; {advice}"


def missing(output: str) -> Missing | None:
    """What the output of a failed build says is not there; None when it says nothing of that kind."""
    for words, pattern in _FOUND:
        if found := pattern.search(output):
            failed = _FAILED.search(output)
            name = re.sub(r"[-_.]+", "-", failed[1]).lower() if failed else ""
            package = " ".join(filter(None, failed.groups())) if failed else "a package"
            if found[1] in _AGE:
                return Missing(words.format(found[1]), package, advice=_AGE[found[1]])
            brings = (_DEBIAN[found[1]],) if found[1] in _DEBIAN else ()
            debian = dict.fromkeys((*brings, *_WITH.get(name, ())))
            return Missing(words.format(found[1]), package, tuple(debian))
    return None
