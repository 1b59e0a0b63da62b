"""Job arguments that a worker must refuse: a written corpus, and strategies that make more of them.

Both begin with what Zuul sends for a change and break at least one thing. What is odd but does no harm is not in here:
unknown parameters of any name, type and size, parameters that the worker does not read (``ZUUL_CHANGES``), letters of
any script in branches and paths, and in a ``LOG_PATH`` the metacharacters of shells, for no shell ever sees them.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Iterator
from typing import Any

from attrs import frozen
from hypothesis import strategies as st

from parts.zuul import change_parameters

JOB = "hello"
UNIQUE = "e84f826434214cb28638db05fd19d449"
VALID = change_parameters(JOB, UNIQUE)
"""What everything here is a broken form of."""


@frozen
class Hostile:
    """Arguments, and what is wrong with them."""

    what: str
    arguments: bytes


# fmt: off
TRAVERSAL = ["..", "../x", "a/../b", "a/..", "../../../../etc/passwd", "./a", "a/./b", "a//b", "a/", "/", "/etc/x"]
CONTROL = ["a\0b", "\0", "a\nb", "a\r\nb", "\n", "a\tb", "\x1b[2J", "a\x7f", "a\x85b", "a\u2028b"]
INVISIBLE = ["\u202egnp.exe", "a\u200bb", "\ufeffa", "a\u2066b", "a\u00adb", "\u00a0", "\u3000", "\ue000", "\U000e0041"]
SURROGATES = ["\ud800", "a\udfffb", "\udc2e\udc2e/x", "\ude00\ud83d"]
OPTIONS = ["-", "--", "-x", "--upload-pack=touch${IFS}x", "--upload-pack=touch /x", "-oProxyCommand=id", "-c a.b=id"]
SHELL = ["$(id)", "`id`", "a;id", "a|id", "a&&id", "a>b", "a b", "${HOME}", "'", '"', "a*", "a?", "{a,b}", "a\\b"]
WRONG_TYPES: list[object] = [[], ["x"], [[]], {}, {"a": "b"}, True, False, 1.5, -0.0, 1e308]
NO_TEXT: list[object] = [None, 0, 7, -1, 10**300]

VALUES: dict[str, list[object]] = {
    "LOG_PATH": [
        *TRAVERSAL, *CONTROL, *INVISIBLE, *SURROGATES, *WRONG_TYPES, *NO_TEXT,
        "a\\b", "..\\..\\x", "C:\\x", "\\\\h\\s",
        "%2e%2e/x", "a/%2E%2e/b", "..%2fx", "a%2f..%2fb", "%2fetc", "a%00b", "a%5cb", "a%0d%0aSet-Cookie:x", "%2e",
        "\uff0e\uff0e/x", "\u2024\u2024/x", "a/\u2025/b", "\u2025", "a\uff0f..\uff0fb", "\uff0fetc", "a\uff3cb",
        "y" * 256, "\u00e9" * 128, "x/" * 512 + "x", "x" * 100_000,
    ],
    "ZUUL_PROJECT": [
        *TRAVERSAL, *CONTROL, *INVISIBLE, *SURROGATES, *OPTIONS, *SHELL, *WRONG_TYPES, *NO_TEXT,
        "", " ", "a/-x", "a/.git", "a/.GIT/hooks", "\u00e9", "\u0430", "a:b", "a@b", "a%2fb", "%2e%2e/x", "x" * 256,
        "http://h/p", "ext::sh -c id", "git@h:p", "file:///etc", "\uff0e\uff0e/x", "\u2024\u2024/x", "a\u2044b",
        "x" * 10_000, "x/" * 200, "~/\0", "a\u0338b",
    ],
    "ZUUL_REF": [
        *CONTROL, *INVISIBLE, *SURROGATES, *OPTIONS, *WRONG_TYPES, *NO_TEXT,
        "..", "a..b", "refs/heads/../../x", "refs/heads/..", "/a", "a/", "a//b", "a.", ".a", "a/.b", "a.lock/b",
        "@", "@{-1}", "@{u}", "a@{1}", "HEAD@{0}", "HEAD~1", "HEAD^", "HEAD^{tree}", "a^b", ":/fix", "a:b", "a:", ":a",
        "+refs/heads/*:refs/heads/*", "refs/heads/a:refs/heads/b", "^refs/heads/a", "a?", "a*", "a[b", "a\\b", "a b",
        "tag x", "x" * 513,
    ],
    "ZUUL_BRANCH": ["-x", "--force", "a b", "a..b", "a\tb", "refs/heads/", "@{-1}", "a:b", "\ud800", 7, *WRONG_TYPES],
    "ZUUL_REFNAME": ["-x", "a b", "refs/heads/../../x", "a\0b", "/a", "a.lock", "\u202ea", 7, *WRONG_TYPES],
    "ZUUL_COMMIT": [
        *WRONG_TYPES, *NO_TEXT, "HEAD", "HEAD^{commit}", "-x", "--" + "a" * 38, " " + "a" * 39, "a" * 39, "a" * 41,
        "a" * 64, "a" * 40 + "\n", "a" * 40 + "\0", "g" * 40, "\uff41" * 40, "\u0661" * 40, "x" * 100_000, 10**39,
    ],
    "ZUUL_OLDREV": ["x", "-x", "0" * 39, "a" * 40 + "\n", 1, *WRONG_TYPES],
    "ZUUL_NEWREV": ["x", "-x", "0" * 39, "a" * 40 + "\n", 1, *WRONG_TYPES],
    "ZUUL_CHANGE": ["1;2", "../1", "-1", -1, "1/2", "a b", "1\n", "1\0", "\u0661", "x" * 65, 10**80, *WRONG_TYPES],
    "ZUUL_PATCHSET": ["1/2", "..", "-1", "\n", "$(id)", "\u00b2", "x" * 65, *WRONG_TYPES],
    "ZUUL_URL": [
        *WRONG_TYPES, 0, 7,
        "ext::sh -c id", "ext::sh -c touch% /x", "EXT::id", "fd::17", "fd::17/x", "transport::x", "::x", "a::b::c",
        "-x", "--upload-pack=x", "relative/path", ".", "..", "./x", "host:path", "git@host:p", "~/x", "~root/x",
        "ssh://-oProxyCommand=id/x", "ssh://-x@host/y", "ssh://u@-x/y", "git://-x/y", "file://-x/y", "http://-x/y",
        "http://", "http:h", "http:/h", "https:///p", "ftp://h/x", "rsync://h/x", "javascript:alert(1)", "data:,x",
        "file", "file:", "file:/etc", "unix:///x", "HTTPS:/h", "svn+ssh://h/x", "git+ssh://h/x", "s3://b/x",
        "http://h/a b", "http://h/\n", "http://h\\x", "http://h/\0", "http://h/\x7f", "\thttp://h", "http://h/\u202ex",
        "http://[::1", "http://h:99999999/", "http://h:-1/", "http://h:x/", "http://[x]/", "http://h/%0d%0aHost:x",
        "http://h/%00", "/a/../b", "/..", "file:///a/../b", "file:///a/%2e%2e/b", "/a\0b", "/a\nb", "x" * 2049,
        "http://u:p@h/", "https://:p@h/p", "ssh://u:hunter2@h/p", "http://u:p%40x@h/", "http://h/\ud800",
    ],
}
"""Per key, values of which each must be refused in the place of the valid one."""


def _json(values: object) -> bytes:
    return json.dumps(values).encode()


def _without(key: str) -> dict[str, Any]:
    return {name: value for name, value in VALID.items() if name != key}


_OPEN = _json(VALID)[:-1]

DOCUMENTS: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b" \n\t",
    "null": b"null",
    "true": b"true",
    "a number": b"7",
    "a text": b'"text"',
    "an array": b"[]",
    "an array with an object": b'[{"ZUUL_PROJECT": "a/b"}]',
    "an object without anything": b"{}",
    "no JSON": b"ZUUL_PROJECT=a/b&ZUUL_REF=x",
    "YAML": b"ZUUL_PROJECT: a/b\nZUUL_REF: x\n",
    "a YAML tag": b"!!python/object/apply:os.system ['id']",
    "a pickle": b"cos\nsystem\n(S'id'\ntR.",
    "XML with an entity": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    "single quotes": b"{'ZUUL_PROJECT': 'a/b'}",
    "a comment": b'{"ZUUL_PROJECT": "a/b" /* x */}',
    "a comma too many": _OPEN + b",}",
    "two objects": _json(VALID) * 2,
    "a key without quotes": b'{ZUUL_PROJECT: "a/b"}',
    "a raw line break in a text": b'{"ZUUL_PROJECT": "a\nb"}',
    "a raw NUL in a text": b'{"ZUUL_PROJECT": "a\0b"}',
    "only NULs": b"\0" * 100,
    "Latin-1": json.dumps({**VALID, "ZUUL_BRANCH": "\u00e9"}, ensure_ascii=False).encode("latin-1"),
    "UTF-16": json.dumps(VALID).encode("utf-16"),
    "UTF-32": json.dumps(VALID).encode("utf-32"),
    "UTF-7": b"+AHsAIgBaACI-: 1}",
    "a byte order mark": b"\xef\xbb\xbf" + _json(VALID),
    "an overlong slash": b'{"ZUUL_PROJECT": "a\xc0\xafb"}',
    "an overlong dot": b'{"LOG_PATH": "\xc0\xae\xc0\xae/x"}',
    "an overlong NUL": b'{"ZUUL_PROJECT": "a\xc0\x80b"}',
    "a surrogate in UTF-8": b'{"ZUUL_PROJECT": "a\xed\xa0\x80b"}',
    "a byte that no UTF-8 has": b'{"ZUUL_PROJECT": "\xff\xfe"}',
    "a cut character": b'{"ZUUL_PROJECT": "\xe2\x82"}',
    "all bytes": bytes(range(256)) * 8,
    "deep arrays": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep and closed": _OPEN + b', "a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "a long number": _OPEN + b', "a": ' + b"9" * 5000 + b"}",
    "over a megabyte of blanks": _json(VALID) + b" " * (1024 * 1024),
    "over a megabyte of text": _json({**VALID, "x": "y" * 1024 * 1024}),
    "a key twice": b'{"ZUUL_PROJECT": "../x", ' + _json(VALID)[1:],
    "a key twice, once escaped": b'{"ZUUL_PROJEC\\u0054": "../x", ' + _json(VALID)[1:],
    "a key twice in an inner object": _OPEN + b', "x": {"a": 1, "a": 2}}',
    "not a number": _OPEN + b', "x": NaN}',
    "infinity": _OPEN + b', "x": [Infinity, -Infinity]}',
    "a number in hexadecimal": _OPEN + b', "x": 0x10}',
    "a number with a leading zero": _OPEN + b', "x": 010}',
    "no project": _json(_without("ZUUL_PROJECT")),
    "no ref": _json(_without("ZUUL_REF")),
    "an empty ref": _json({**VALID, "ZUUL_REF": ""}),
    "keys in lower case": _json({key.lower(): value for key, value in VALID.items()}),
    "keys with a blank": _json({f"{key} ": value for key, value in VALID.items()}),
}
"""Whole arguments that must be refused, by what is wrong with them."""

UNIQUES = [
    "", "a/b", "../../x", "/etc/x", ".", "..", "a b", "a\nb", "$(id)", "a\\b", "\u00e9", "\u202ex", "%2e%2e", "a*", "'",
    "x" * 62 + "/",
]
"""Unique ids that must be refused whatever else is right. gearmand itself refuses those of 65 bytes and more."""

NO_NUMBERS: list[bytes] = [
    *DOCUMENTS.values(),
    *(_json({"name": JOB, "number": value}) for value in (*WRONG_TYPES, *NO_TEXT, *TRAVERSAL, *CONTROL, *INVISIBLE)),
    *(_json({"name": JOB, "number": value}) for value in (*SURROGATES, *OPTIONS, *SHELL, "x" * 500_000)),
    *(_json({"name": value, "number": "f" * 32}) for value in (*WRONG_TYPES, *NO_TEXT, *TRAVERSAL, "x" * 500_000)),
]
"""Arguments of ``stop:`` and ``set_description:`` that name no build that runs."""
# fmt: on


def written() -> Iterator[Hostile]:
    """The whole corpus."""
    for key, values in VALUES.items():
        for value in values:
            yield Hostile(f"{key}: {ascii(value)[:60]}", _json({**VALID, key: value}))
    for what, arguments in DOCUMENTS.items():
        yield Hostile(what, arguments)


_NAME = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=12)
_ANY_TEXT = st.text(max_size=40)
_CONTROL = st.characters(categories=["Cc", "Cf", "Cs", "Co", "Zl", "Zp"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_ANY_TEXT, inner, max_size=3),
    max_leaves=5,
)
_COMPOUND = (
    st.lists(_JSON, max_size=3) | st.dictionaries(_ANY_TEXT, _JSON, max_size=3) | st.booleans() | st.floats(0.1, 9)
)


def _with(
    text: st.SearchStrategy[str], *poison: str, also: st.SearchStrategy[str] | None = None
) -> st.SearchStrategy[str]:
    """A text with something put into its middle that must not be there."""
    bad = st.sampled_from(poison) if poison else also
    bad = bad if also is None or bad is None else bad | also
    assert bad is not None
    return st.tuples(text, bad, text).map("".join)


def _outside(allowed: str) -> st.SearchStrategy[str]:
    return st.characters().filter(lambda char: char not in allowed)


_LETTERS = string.ascii_letters + string.digits
_SEGMENTS = st.lists(_NAME, min_size=1, max_size=4).map("/".join)
_BAD_TEXTS: dict[str, st.SearchStrategy[str]] = {
    "LOG_PATH": _with(_SEGMENTS, "/../", "/./", "//", "/%2e%2e/", "%2F..%2F", "\\", "/\uff0e\uff0e/", also=_CONTROL)
    | st.sampled_from(["/", "../", "./", "%2f"]).flatmap(lambda start: _SEGMENTS.map(lambda path: start + path)),
    "ZUUL_PROJECT": _with(_SEGMENTS, "/../", "//", "/-", "/.git/", also=_outside(_LETTERS + "._+~-/")),
    "ZUUL_REF": _with(_SEGMENTS, *("..", "//", "/.", ".lock/", "@{", *" ~^:?*[\\"), also=_CONTROL)
    | st.sampled_from(["-", "--", "/", "."]).flatmap(lambda start: _SEGMENTS.map(lambda ref: start + ref))
    | st.sampled_from([".", "/", ".lock"]).flatmap(lambda end: _SEGMENTS.map(lambda ref: ref + end)),
    "ZUUL_COMMIT": st.text(min_size=1, max_size=60).filter(
        lambda text: len(text) != 40 or not set(text) <= set(string.hexdigits)
    ),
    "ZUUL_CHANGE": _with(_NAME, also=_outside(_LETTERS + "._-")),
    "ZUUL_URL": _with(_SEGMENTS, "::", "\\", " ", also=_CONTROL)
    | st.tuples(
        _NAME.filter(lambda scheme: scheme.lower() not in {"http", "https", "git", "ssh", "file"}), _SEGMENTS
    ).map("://".join)
    | st.tuples(st.sampled_from(["ssh", "git", "http"]), _SEGMENTS).map(lambda pair: f"{pair[0]}://-{pair[1]}/x")
    | _SEGMENTS.map(lambda path: f"-{path}"),
}
for _same, _as in {
    "ZUUL_BRANCH": "ZUUL_REF",
    "ZUUL_REFNAME": "ZUUL_REF",
    "ZUUL_OLDREV": "ZUUL_COMMIT",
    "ZUUL_NEWREV": "ZUUL_COMMIT",
    "ZUUL_PATCHSET": "ZUUL_CHANGE",
}.items():
    _BAD_TEXTS[_same] = _BAD_TEXTS[_as]


@st.composite
def _noisy(draw: Callable[[st.SearchStrategy[Any]], Any]) -> dict[str, Any]:
    """Valid parameters among others that nobody asked for."""
    noise = draw(st.dictionaries(_ANY_TEXT.filter(lambda key: key not in VALUES), _JSON, max_size=3))
    return {**noise, **VALID}


@st.composite
def generated(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Hostile:
    """Arguments with at least one thing in them that must be refused."""
    values = draw(_noisy())
    kind = draw(st.sampled_from(["values", "types", "cut", "byte", "twice", "top"]))
    if kind == "values":
        keys = draw(st.lists(st.sampled_from(sorted(_BAD_TEXTS)), min_size=1, max_size=3, unique=True))
        broken = {key: draw(_BAD_TEXTS[key]) for key in keys}
        return Hostile(f"{broken!a}", _json({**values, **broken}))
    if kind == "types":
        key = draw(st.sampled_from(sorted(VALUES)))
        value = draw(_COMPOUND)
        return Hostile(f"{key}: {value!a}", _json({**values, key: value}))
    document = _json(values)
    if kind == "cut":
        length = draw(st.integers(0, len(document) - 1))
        return Hostile(f"cut after {length} bytes", document[:length])
    if kind == "byte":
        place, byte = draw(st.integers(0, len(document))), draw(st.integers(0x80, 0xFF))
        return Hostile(f"byte {byte:#x} at {place}", document[:place] + bytes([byte]) + document[place:])
    if kind == "twice":
        key, value = draw(st.sampled_from(sorted(values))), draw(_JSON)
        return Hostile(f"{key!a} twice", document[:-1] + b", " + _json({key: value})[1:])
    top = draw(_JSON.filter(lambda value: not isinstance(value, dict)))
    return Hostile(f"not an object: {top!a}", _json(top))
