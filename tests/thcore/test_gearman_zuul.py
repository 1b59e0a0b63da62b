from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from thcore.errors import ConfigError, RefusedError
from thcore.gearman import zuul
from thcore.model import BuildRequest, Change, ChangeKind, Outcome, Publication, Verdict, WorkerInfo

UNIQUE = "e84f826434214cb28638db05fd19d449"
OLD, NEW, ZEROS = "1" * 40, "2" * 40, "0" * 40
WORKER = WorkerInfo("worker-1", "worker-1.example.org", "1.0")

CHANGE = {
    "BASE_LOG_PATH": "45/12345/2",
    "LOG_PATH": "45/12345/2/check/j1/e84f826",
    "ZUUL_BRANCH": "stable/juno",
    "ZUUL_CHANGE": "12345",
    "ZUUL_CHANGES": "p:master:refs/changes/00/100/1^openstack/nova:stable/juno:refs/changes/45/12345/2",
    "ZUUL_CHANGE_IDS": "100,1 12345,2",
    "ZUUL_COMMIT": "ABCDEF0123" * 4,
    "ZUUL_PATCHSET": "2",
    "ZUUL_PIPELINE": "check",
    "ZUUL_PROJECT": "openstack/nova",
    "ZUUL_REF": "refs/zuul/stable/juno/Z" + "0a" * 16,
    "ZUUL_URL": "http://zuul.example.org/p/",
    "ZUUL_UUID": UNIQUE,
    "ZUUL_VOTING": "1",
}
TIMER = {
    "BASE_LOG_PATH": "",
    "LOG_PATH": "periodic/j1/e84f826",
    "ZUUL_PIPELINE": "periodic",
    "ZUUL_PROJECT": "openstack/nova",
    "ZUUL_URL": "http://zuul.example.org/p",
    "ZUUL_UUID": UNIQUE,
    "ZUUL_VOTING": "1",
}
POST = {
    **TIMER,
    "BASE_LOG_PATH": f"22/{NEW}",
    "LOG_PATH": f"22/{NEW}/post/j1/e84f826",
    "ZUUL_COMMIT": NEW,
    "ZUUL_NEWREV": NEW,
    "ZUUL_OLDREV": OLD,
    "ZUUL_PIPELINE": "post",
    "ZUUL_REF": "master",
    "ZUUL_REFNAME": "master",
}


def parse(
    values: object, *, function: str = "build:j1", unique: str = UNIQUE, branch: str | None = None
) -> BuildRequest:
    return zuul.parse(function, unique, json.dumps(values).encode(), default_branch=branch)


def outcome(**values: Any) -> Outcome:
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = Outcome(
        "j1", UNIQUE, 1, Change("a/b", ChangeKind.CHANGE), "x/y", Verdict.SUCCESS, "3 steps passed", WORKER, now, now
    )
    return evolve(made, **values)


def test_a_change_is_fetched_from_the_merger_at_its_commit() -> None:
    request = parse(CHANGE)

    assert request.id == UNIQUE
    assert request.job == "j1"
    assert request.log_path == "45/12345/2/check/j1/e84f826"
    assert request.change == Change(
        "openstack/nova",
        ChangeKind.CHANGE,
        branch="stable/juno",
        ref="refs/zuul/stable/juno/Z" + "0a" * 16,
        commit="abcdef0123" * 4,
        source="http://zuul.example.org/p",
        number="12345",
        patchset="2",
    )
    assert request.parameters == CHANGE


@pytest.mark.parametrize("ref", ["master", "refs/heads/master"])
def test_a_moved_branch_is_tested_at_its_new_commit(ref: str) -> None:
    change = parse({**POST, "ZUUL_REF": ref, "ZUUL_REFNAME": ref}).change

    assert (change.kind, change.ref, change.commit, change.branch) == (ChangeKind.REF_UPDATED, ref, NEW, "master")


def test_a_tag_has_no_commit_because_zuul_may_name_the_tag_object() -> None:
    change = parse({**POST, "ZUUL_REF": "refs/tags/1.0.0", "ZUUL_REFNAME": "refs/tags/1.0.0"}).change

    assert (change.kind, change.ref, change.commit, change.branch) == (ChangeKind.TAG, "refs/tags/1.0.0", None, None)


@pytest.mark.parametrize("ref", ["master", "refs/tags/1.0.0"])
def test_a_deleted_ref_has_nothing_to_check_out(ref: str) -> None:
    change = parse({**POST, "ZUUL_REF": ref, "ZUUL_NEWREV": ZEROS, "ZUUL_COMMIT": ZEROS}).change

    assert (change.kind, change.ref, change.commit) == (ChangeKind.REF_DELETED, ref, None)


def test_a_timer_build_is_for_the_requested_branch_else_for_the_default() -> None:
    assert parse({**TIMER, "BRANCH": "stable/k"}, branch="main").change.branch == "stable/k"
    change = parse(TIMER, branch="main").change

    assert (change.kind, change.branch, change.ref) == (ChangeKind.BRANCH, "main", None)
    with pytest.raises(RefusedError, match="default branch"):
        parse(TIMER)


def test_a_change_without_its_ref_is_not_taken_for_a_timer_build() -> None:
    with pytest.raises(RefusedError, match="change 12345"):
        parse({key: value for key, value in CHANGE.items() if key != "ZUUL_REF"}, branch="master")
    with pytest.raises(RefusedError, match="ZUUL_REF"):
        parse({**CHANGE, "ZUUL_REF": None}, branch="master")


def test_a_dead_merger_leaves_the_source_to_the_checkout_plugin() -> None:
    request = parse({**CHANGE, "ZUUL_URL": None})

    assert request.change.source is None
    assert "ZUUL_URL" not in request.parameters


def test_numbers_from_a_parameter_function_are_taken_for_change_and_patch_set() -> None:
    request = parse({**CHANGE, "ZUUL_CHANGE": 12345, "ZUUL_PATCHSET": 2})

    assert (request.change.number, request.change.patchset) == ("12345", "2")
    assert request.parameters["ZUUL_CHANGE"] == "12345"


def test_the_job_is_the_middle_part_of_the_function() -> None:
    assert parse(CHANGE, function="build:gate-x_y.z:node:7").job == "gate-x_y.z"


def test_only_what_may_go_into_an_environment_is_a_parameter() -> None:
    odd = {
        "INT": 7,
        "YES": True,
        "HALF": 0.5,
        "EMPTY": "",
        "NOTHING": None,
        "LIST": ["x"],
        "OBJECT": {},
        "with space": "x",
        "9LIVES": "x",
        "NUL": "a\0b",
        "LONG": "x" * 65537,
        "SURROGATE": "\ud800",
        "LD_PRELOAD": "/tmp/x.so",
        "GIT_SSH_COMMAND": "sh -c id",
        "PATH": "/tmp",
        "PYTHONSTARTUP": "x",
    }

    parameters = parse({**CHANGE, **odd}).parameters

    assert {key: parameters[key] for key in parameters if key not in CHANGE} == {
        "INT": "7",
        "YES": "true",
        "HALF": "0.5",
        "EMPTY": "",
    }


def test_a_number_beyond_all_bounds_is_no_parameter() -> None:
    arguments = json.dumps(CHANGE).encode()[:-1] + b', "HUGE": 1e999}'

    assert "HUGE" not in zuul.parse("build:j1", UNIQUE, arguments).parameters


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (CHANGE, "45/12345/2/check/j1/e84f826"),
        ({**CHANGE, "BASE_LOG_PATH": "a/100%/b"}, "a/b/check/j1/e84f826"),
        ({**CHANGE, "BASE_LOG_PATH": None}, "45/12345/2/check/j1/e84f826"),
        ({**CHANGE, "BASE_LOG_PATH": "../../etc"}, "etc/check/j1/e84f826"),
        ({**CHANGE, "ZUUL_PIPELINE": "my pipe;line"}, "45/12345/2/j1/e84f826"),
        (POST, f"22/{NEW}/post/j1/e84f826"),
        ({**POST, "BASE_LOG_PATH": ""}, f"22/{NEW}/post/j1/e84f826"),
        ({**TIMER, "BRANCH": "main"}, "periodic/j1/e84f826"),
    ],
)
def test_a_missing_log_path_is_made_of_safe_parts(values: dict[str, Any], expected: str) -> None:
    sent = {key: value for key, value in values.items() if key != "LOG_PATH" and value is not None}

    assert parse(sent).log_path == expected
    assert parse({**sent, "LOG_PATH": ""}).log_path == expected


HOSTILE: dict[str, list[object]] = {
    "ZUUL_PROJECT": [
        "; rm -rf /", "../x", "a/../b", "-x", "a/-x", "/etc", "a//b", "a/", "a\nb", "a\0b", "", "x" * 256, "a b",
        "$(id)", "`id`", "a\\b", ".", "a/.git/hooks", "é", "\ud800", 7, None, ["x"], {"a": 1}, True, "a:b",
        "ext::sh -c id",
    ],
    "ZUUL_REF": [
        "-x", "--upload-pack=touch x", "a b", "a..b", "a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b", "/a", "a/", "a//b",
        "a.", "@", "a@{b", ".a", "a/.b", "a.lock", "a.lock/b", "a\x7fb", "a\nb", "a\0b", "\u202ea", "\ud800", "x" * 513,
        7, None, [], True,
    ],
    "ZUUL_BRANCH": ["-x", "a b", "a..b", "a\tb", 7, None, "refs/heads/"],
    "ZUUL_COMMIT": ["HEAD", "-x", "a" * 39, "a" * 41, "g" * 40, "a" * 40 + "\n", 7, None],
    "ZUUL_OLDREV": ["x", 1],
    "ZUUL_NEWREV": ["x", 1, "0" * 39],
    "ZUUL_CHANGE": ["1;2", "../1", "-1", "a b", "x" * 65, True, None, [], 1.5],
    "ZUUL_PATCHSET": ["1/2", "\n", None],
    "ZUUL_URL": [
        "ext::sh -c id", "fd::17", "-x", "--upload-pack=x", "relative/path", "host:path", "ssh://-oProxyCommand=id/x",
        "ssh://-x@host/y", "http://", "ftp://h/x", "javascript:alert(1)", "http://h/a b", "http://h/\n", "http://h\\x",
        "http://[::1", "http://h:99999999/", "http:h", "/a/../b", "http://h/%0aHost:x", "x" * 2049, 7, [],
        "transport::x", "file:///a/../b", "file:///a/%2e%2e/b", "http://u:p@h/", "ssh://:p@h/x",
    ],
    "LOG_PATH": [
        "/etc/x", "../x", "a/../b", "a//b", "a/", "a\\b", "a\0b", "a\nb", "./a", ".", "..", "x" * 1025, "y" * 256, 7,
        None, [], "\ud800", "%2e%2e/x", "a/%2E%2e", "a%2f..%2fb", "%2fetc", "a%00b", "a%5cb", "a%0ab",
        "\uff0e\uff0e/x", "a/\u2025/b", "a\uff0f..\uff0fb", "\uff0fetc", "a\uff3cb",
    ],
    "BRANCH": [],
}  # fmt: skip


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in HOSTILE.items() for value in values])
def test_a_hostile_argument_is_refused_by_its_name(key: str, value: object) -> None:
    with pytest.raises(RefusedError, match=key) as caught:
        parse({**CHANGE, key: value})

    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()


def test_the_password_in_a_url_is_not_told() -> None:
    with pytest.raises(RefusedError) as caught:
        parse({**CHANGE, "ZUUL_URL": "ftp://user:hunter2@host/x"})

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("path", ["check/gr\u00fcn/j1", "a b/$(id)/'x'", "100%/%zz", "..a/b..", "\u4e2d\u6587/\u00bd"])
def test_odd_log_paths_that_stay_where_they_belong_are_taken(path: str) -> None:
    assert parse({**CHANGE, "LOG_PATH": path}).log_path == path


@pytest.mark.parametrize(
    "url",
    ["http://h/p", "https://h:8443/p", "git://h", "ssh://u@h:29418/p", "file:///srv/git", "/srv/git", "http://[::1]/p"],
)
def test_the_urls_of_git_servers_are_taken(url: str) -> None:
    assert parse({**CHANGE, "ZUUL_URL": url}).change.source == url


@pytest.mark.parametrize("project", ["a", "openstack/nova", "a/b/c", "x/.github", "c++/x_y-z.1", "~user/x"])
def test_usual_project_names_are_taken(project: str) -> None:
    assert parse({**CHANGE, "ZUUL_PROJECT": project}).change.project == project


@pytest.mark.parametrize(
    "arguments",
    [
        b"", b"{", b"\xff\xfe", b"[]", b"null", b"7", b'"text"', b"[" * 100_000, b'{"a":' * 100_000,
        b'{"a": 1, "a": 2}', b'{"a": {"b": 1, "\\u0062": 1}}', b'{"a": NaN}', b'{"a": [-Infinity]}',
        b'{"ZUUL_PROJECT": ' + b"9" * 5000 + b"}", b" " * (1024 * 1024 + 1), b'{"x": "' + b"y" * 1024 * 1024 + b'"}',
    ],
)  # fmt: skip
def test_arguments_that_are_no_object_are_refused(arguments: bytes) -> None:
    with pytest.raises(RefusedError, match="arguments"):
        zuul.parse("build:j1", UNIQUE, arguments)


@pytest.mark.parametrize("unique", ["", "a/b", "a b", "..", ".", "x" * 129, "a\n", "a\0", "é", "$(id)"])
def test_a_hostile_unique_id_is_refused(unique: str) -> None:
    with pytest.raises(RefusedError, match="unique id"):
        parse(CHANGE, unique=unique)


@pytest.mark.parametrize("function", ["build:", "build::node", "stop:x", "j1", "build:a b", "build:../x", "build:.."])
def test_a_function_that_is_no_build_is_refused(function: str) -> None:
    with pytest.raises(RefusedError):
        parse(CHANGE, function=function)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.characters(categories=["Cs"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from([*POST, *CHANGE, "BRANCH"]) | st.text()


@given(arguments=st.binary(), function=st.text(), unique=st.text())
def test_no_bytes_make_parsing_fail_in_another_way(arguments: bytes, function: str, unique: str) -> None:
    for name, number in ((function, unique), (f"build:{function}", unique), ("build:j1", UNIQUE)):
        with pytest.raises(RefusedError):
            zuul.parse(name, number, arguments)
    zuul.parse_stop(arguments)


@given(base=st.sampled_from([CHANGE, POST, TIMER]), odd=st.dictionaries(keys, json_values | st.text(), max_size=4))
def test_whatever_is_taken_is_safe(base: dict[str, Any], odd: dict[str, Any]) -> None:
    try:
        request, refusal = parse({**base, **odd}, branch="main"), ""
    except RefusedError as error:
        request, refusal = None, str(error)

    assert refusal.isprintable()
    if request is None:
        return

    assert request.log_path
    assert not request.log_path.startswith("/")
    assert ".." not in request.log_path.split("/")
    assert all("\0" not in value and value.encode() is not None for value in request.parameters.values())
    change = request.change
    for value in (change.project, change.branch, change.ref, change.commit, change.source):
        assert value is None or (not value.startswith("-") and value.isprintable())
    assert change.kind is not ChangeKind.BRANCH or change.branch


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (b'{"name": "j1", "number": "abc"}', "abc"),
        (b'{"number": 17}', "17"),
        (b'{"number": ""}', None),
        (b'{"number": null}', None),
        (b'{"number": true}', None),
        (b'{"number": ["abc"]}', None),
        (b'{"name": "j1"}', None),
        (b'{"number": "abc", "number": "def"}', None),
        (b"[]", None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_a_stop_names_a_number_or_nothing(arguments: bytes, expected: str | None) -> None:
    assert zuul.parse_stop(arguments) == expected


def test_a_job_is_offered_by_its_name_and_for_each_node_label() -> None:
    assert zuul.functions("j1", []) == ("build:j1",)
    assert zuul.functions("j1", ["small", "big"]) == ("build:j1", "build:j1:small", "build:j1:big")


@pytest.mark.parametrize(
    ("job", "nodes"), [("a b", []), ("", []), ("a:b", []), ("a\n", []), ("j1", ["x y"]), ("j1", [""])]
)
def test_a_name_that_zuul_cannot_send_is_an_error_of_the_configuration(job: str, nodes: list[str]) -> None:
    with pytest.raises(ConfigError):
        zuul.functions(job, nodes)


def test_the_first_data_says_how_to_cancel_and_has_no_result() -> None:
    values = json.loads(zuul.started(UNIQUE, "j1", "host-a", WORKER))

    assert values == {
        "name": "j1",
        "number": UNIQUE,
        "manager": "host-a",
        "worker_name": "worker-1",
        "worker_hostname": "worker-1.example.org",
        "worker_fqdn": "worker-1.example.org",
        "worker_program": "thcore",
        "worker_version": "1.0",
        "worker_ips": [],
        "worker_extra": {},
    }
    assert json.loads(zuul.started(UNIQUE, "j1", "host-a", WORKER, url="http://l/x"))["url"] == "http://l/x"


@pytest.mark.parametrize(
    ("verdict", "timed_out", "result", "complete"),
    [
        (Verdict.SUCCESS, False, "SUCCESS", True),
        (Verdict.FAILURE, False, "FAILURE", False),
        (Verdict.FAILURE, True, "TIMED_OUT", False),
        (Verdict.UNVERIFIED, False, None, False),
        (Verdict.UNVERIFIED, True, None, False),
        (Verdict.CANCELLED, False, "ABORTED", False),
    ],
)
def test_every_verdict_has_its_result(verdict: Verdict, timed_out: bool, result: str | None, complete: bool) -> None:
    publications = (Publication("http://logs/1"), Publication("http://logs/2"))

    reply = zuul.final(outcome(verdict=verdict, timed_out=timed_out, publications=publications), "host-a")

    values = json.loads(reply.data)
    assert values.get("result") == result
    assert ("result" in values) == (result is not None)
    assert reply.complete is complete
    assert (values["url"], values["verdict"], values["attempt"]) == ("http://logs/1", verdict.value, 1)
    assert (values["number"], values["manager"]) == (UNIQUE, "host-a")


def test_refused_arguments_have_a_result_so_that_zuul_does_not_try_again() -> None:
    reply = zuul.refused(UNIQUE, "j1", "host-a", WORKER, RefusedError("ZUUL_PROJECT is missing"))

    assert json.loads(reply.data)["result"] == "INVALID_ARGUMENTS"
    assert json.loads(reply.data)["summary"] == "ZUUL_PROJECT is missing"
    assert reply.complete is False


def test_a_retry_has_no_result() -> None:
    reply = zuul.retry(UNIQUE, "j1", "host-a", None, "the worker is stopping")

    assert "result" not in json.loads(reply.data)
    assert reply.complete is False


def test_a_build_without_a_unique_id_still_has_a_number() -> None:
    assert json.loads(zuul.refused("", "j1", "host-a", None, "x").data)["number"]


@given(text=st.text(max_size=50) | st.characters(categories=["Cs", "So"]))
def test_no_text_makes_a_reply_too_large(text: str) -> None:
    text *= 200_000 // max(1, len(text))
    worker = WorkerInfo(text, text, text)

    reply = zuul.final(
        outcome(job=text, build=text, summary=text, worker=worker, publications=(Publication(text),)), "m"
    )

    assert len(reply.data) <= zuul.PAYLOAD_LIMIT
    assert isinstance(json.loads(reply.data), dict)
