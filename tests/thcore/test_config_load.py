"""Finding the file, merging conf.d, defaults in jobs, and all problems at once."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

from thcore.config import Config, DirectoriesConfig, GearmanConfig, find, load
from thcore.config.load import CANDIDATES
from thcore.config.schema import parse_server
from thcore.errors import ConfigError, ExitCode
from thcore.model import Seconds

OWN = """
gearman: {servers: [127.0.0.1:4730]}
directories: {state: /var/lib/thcore}
slots: 4
defaults:
  timeout: 1h
  plugins:
    git: {base_url: https://opendev.org, depth: 1}
    venv: {}
    publish_local: {path: /srv/logs, url: https://logs.example.org/}
  stages: {checkout: git}
jobs:
  - name: gate-real-db-upgrade_nova_mysql
    timeout: 2h
    plugins:
      dbmigration: {datasets: /var/lib/thcore/datasets}
      git: {depth: 2}
  - name: plain
    plugins: {shell: {script: [make]}, venv: false, git: false}
    nodes: [bare-metal]
    default_branch: master
drain_timeout: 30m
secrets: {upload: hush}
plugins: {dbmigration: {account: mysql}}
"""


def write(tmp_path: Path, text: str, name: str = "config.yaml") -> Path:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def problems(path: Path) -> tuple[str, ...]:
    """The problems of a file, its directory left out of them."""
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.exit_code is ExitCode.CONFIG
    return tuple(problem.replace(f"{path.parent}/", "") for problem in caught.value.problems)


def test_a_file_is_read_and_defaults_are_laid_under_every_job(tmp_path: Path) -> None:
    path = write(tmp_path, OWN)
    config = load(path)
    gate, plain = config.jobs
    assert config.slots == 4
    assert config.drain_timeout == Seconds(1800.0)
    assert config.secrets["upload"].reveal() == "hush"
    assert config.files == (path,)
    assert config.job("plain") is plain
    assert config.job("none") is None
    assert gate.timeout == Seconds(7200.0)
    assert dict(gate.plugins) == {
        "git": {"base_url": "https://opendev.org", "depth": 2},
        "venv": {},
        "publish_local": {"path": "/srv/logs", "url": "https://logs.example.org/"},
        "dbmigration": {"datasets": "/var/lib/thcore/datasets"},
    }
    assert gate.stages == {"checkout": "git"}
    assert gate.where == f"{path}: jobs[0]"
    assert plain.timeout == Seconds(3600.0)
    assert list(plain.plugins) == ["publish_local", "shell"]
    assert plain.stages == {}, "a default choice of a plugin that the job does not have"
    assert (plain.nodes, plain.default_branch) == (("bare-metal",), "master")


def test_a_plugin_with_nothing_behind_its_name_has_no_options(tmp_path: Path) -> None:
    path = write(tmp_path, "defaults:\n  plugins:\n    git:\njobs:\n  - name: a\n    plugins:\n      exit_status:\n")

    assert load(path).jobs[0].plugins == {"git": {}, "exit_status": {}}


def test_relative_directories_count_from_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "directories: {state: state, work: /w}\njobs: [{name: a, plugins: {shell: {}}}]")

    assert load(path).directories == DirectoriesConfig(state=tmp_path / "state", work=Path("/w"))


def test_an_empty_timeout_of_a_job_means_none(tmp_path: Path) -> None:
    path = write(tmp_path, "defaults: {timeout: 1h}\njobs: [{name: a, timeout: null, plugins: {shell: {}}}]")
    assert load(path).jobs[0].timeout is None


def test_defaults_are_those_of_the_documentation(tmp_path: Path) -> None:
    config = load(write(tmp_path, "jobs: [{name: a, plugins: {shell: {}}}]"))
    assert config == Config(jobs=config.jobs)
    assert config.gearman == GearmanConfig(servers=("127.0.0.1:4730",))
    assert config.gearman.addresses == (("127.0.0.1", 4730),)
    assert config.directories == DirectoriesConfig(state=Path("/var/lib/thcore"))
    assert config.directories.work_path == Path("/var/lib/thcore/work")
    assert DirectoriesConfig(work=Path("/w")).work_path == Path("/w")
    assert (config.slots, config.max_attempts) == (1, 3)
    assert (config.drain_timeout, config.kill_grace) == (Seconds(7200.0), Seconds(3.0))
    assert (config.log.level, config.log.file) == ("info", None)


def test_nothing_secret_is_in_the_representation_of_a_configuration(tmp_path: Path) -> None:
    text = "secrets: {a: hush}\njobs: [{name: a, plugins: {swift: {password: hush}}}]\nplugins: {swift: {key: hush}}"
    assert "hush" not in repr(load(write(tmp_path, text)))


def test_a_configuration_can_be_sent_to_another_process(tmp_path: Path) -> None:
    config = load(write(tmp_path, OWN))
    assert pickle.loads(pickle.dumps(config)) == config


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
gearmn: {}
gearman:
  servers: [ok, "a b", "x:99999"]
  name: two words
  tls: {ssl_key: /k, ssl_cert: /c}
slots: "four"
max_attempts: 0
kill_grace: soon
log: {level: verbose}
log: {level: debug}
defaults: {plugins: {git: 3}, timeout: 0}
plugins: {git: null}
jobs:
  - {name: a b, plugins: {shell: {}}}
  - {name: c, timeout: -5, plugins: {shell: {}, git: false, zz: false}, stages: {checkout: gti, publish: shell}}
  - {name: c, plugins: {git: false}, nodes: ["x:y"]}
  - {name: "build:d", plugins: [git]}
  - {plugins: {shell: {}}, stages: []}
  - 5
""",
    )
    assert set(problems(path)) == {
        "config.yaml: log: given twice, in line 10 and in line 11; keep one",
        "config.yaml: gearmn: unknown key; did you mean gearman?",
        "config.yaml: gearman.servers[1]: 'a b' is not a server; write host:port, for example 127.0.0.1:4730",
        "config.yaml: gearman.servers[2]: 'x:99999' is not a server; write host:port, for example 127.0.0.1:4730",
        "config.yaml: gearman.name: expected one word; it becomes part of a Gearman function's name",
        (
            "config.yaml: gearman.tls.ssl_ca: required, but missing; "
            "add it: Certificate of the authority that signed the server's, PEM"
        ),
        'config.yaml: slots: expected a whole number, got "four"',
        "config.yaml: max_attempts: expected at least 1, got 0",
        "config.yaml: kill_grace: 'soon' is not a duration; write for example 90s, 15m or 1h30m",
        "config.yaml: defaults.plugins.git: expected a mapping, got 3",
        "config.yaml: defaults.timeout: expected more than 0 seconds; leave the key out for no limit",
        "config.yaml: plugins.git: expected a mapping, got nothing",
        "config.yaml: jobs[0].name: 'a b' is not a job name; use one word without colon and slash, as in Zuul's layout",
        "config.yaml: jobs[1].timeout: expected a duration, got -5; it cannot be negative",
        (
            "config.yaml: jobs[1].plugins.zz: nothing to remove, defaults have no such plugin; "
            "leave false out to use it without options"
        ),
        "config.yaml: jobs[1].stages.checkout: the job has no plugin gti; the job has shell",
        (
            "config.yaml: jobs[1].stages.publish: "
            "not a stage to choose a plugin for; those are checkout, environment, execute"
        ),
        "config.yaml: jobs[2].plugins: the job has no plugins; name at least one that executes something",
        "config.yaml: jobs[2].name: c is the name of config.yaml: jobs[1] too; rename or remove one",
        "config.yaml: jobs[2].nodes[0]: not a node name; use one word without colon and slash",
        "config.yaml: jobs[3].name: write the name without build:, as d",
        "config.yaml: jobs[3].plugins: expected a mapping, got a list",
        "config.yaml: jobs[4].name: required, but missing; add it: The job's name, as in Zuul's layout",
        "config.yaml: jobs[4].stages: expected a mapping, got a list",
        "config.yaml: jobs[5]: expected a mapping, got 5",
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "config.yaml: the file is empty; it needs at least jobs"),
        ("- a", "config.yaml: expected a mapping at the top, got a list; start with a key"),
        ("text", "config.yaml: expected a mapping at the top, got text; start with a key"),
        ("slots: 1", "config.yaml: jobs: required, but missing; add it: The jobs that this worker does"),
        ("jobs: []", "config.yaml: jobs: there are no jobs; add at least one, with a name and plugins"),
        ("jobs: {a: b}", "config.yaml: jobs: expected a list, got a mapping"),
        (
            "jobs: [{name: a, plugins: {}}]",
            "config.yaml: jobs[0].plugins: the job has no plugins; name at least one that executes something",
        ),
        (
            "jobs: [{name: a, stages: {execute: x}, plugins: {}}]",
            "config.yaml: jobs[0].stages.execute: the job has no plugin x; the job has none",
        ),
        (
            "gearman: {servers: []}\njobs: [{name: a, plugins: {s: {}}}]",
            "config.yaml: gearman.servers: expected at least one server; write for example [127.0.0.1:4730]",
        ),
        ("jobs: [", "config.yaml: line 1, column 8: while parsing a flow node, expected the node content, but found"),
        ("conf_d: 3\njobs: [{name: a, plugins: {s: {}}}]", "config.yaml: conf_d: expected a path, got 3; put quotes"),
        (
            "conf_d: none.d\njobs: [{name: a, plugins: {s: {}}}]",
            (
                "config.yaml: conf_d: none.d cannot be read: No such file or directory; "
                "create the directory or remove the key"
            ),
        ),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    assert any(said.startswith(problem) for said in problems(write(tmp_path, text)))


def test_a_job_name_that_could_leave_a_directory_is_refused(tmp_path: Path) -> None:
    for name in ("../x", "a/b", ".x", "a:b", "a\\\\b", ""):
        path = write(tmp_path, f'jobs: [{{name: "{name}", plugins: {{s: {{}}}}}}]')
        assert "is not a job name" in problems(path)[0]


def test_servers_are_host_and_port() -> None:
    assert parse_server("zuul") == ("zuul", 4730)
    assert parse_server("zuul.example.org:1") == ("zuul.example.org", 1)
    assert parse_server("[::1]:4731") == ("::1", 4731)
    for wrong in ("", "a:", "a:0", "::1", "http://a:1", "a:1:2"):
        with pytest.raises(ValueError, match="is not a server"):
            parse_server(wrong)


def test_conf_d_is_merged_in_the_order_of_names(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
slots: 1
log: {level: info, file: /a}
gearman: {servers: [a]}
jobs: [{name: a, plugins: {shell: {}}}]
""",
    )
    write(tmp_path, "slots: 3\njobs: [{name: c, plugins: {shell: {}}}]\nplugins: {x: {y: 1}}", "conf.d/20-b.yml")
    write(tmp_path, '{"slots": 2, "log": {"level": "debug"}, "jobs": [{"name": "b", "plugins": {}}]}', "conf.d/10.json")
    write(tmp_path, "# commented out", "conf.d/15.yaml")
    write(tmp_path, "defaults: {plugins: {git: {}}}\ngearman: {servers: [b, c]}", "conf.d/30.yaml")
    write(tmp_path, "not: read", "conf.d/README")
    write(tmp_path, "not: read", "conf.d/.hidden.yaml")
    config = load(path)
    assert config.slots == 3
    assert (config.log.level, config.log.file) == ("debug", Path("/a"))
    assert config.gearman.servers == ("b", "c")
    assert [job.name for job in config.jobs] == ["a", "b", "c"]
    assert [list(job.plugins) for job in config.jobs] == [["git", "shell"], ["git"], ["git", "shell"]]
    assert [job.where.removeprefix(f"{tmp_path}/") for job in config.jobs] == [
        "config.yaml: jobs[0]",
        "conf.d/10.json: jobs[0]",
        "conf.d/20-b.yml: jobs[0]",
    ]
    assert [file.name for file in config.files] == ["config.yaml", "10.json", "15.yaml", "20-b.yml", "30.yaml"]


def test_problems_name_the_file_that_the_key_came_from(tmp_path: Path) -> None:
    path = write(tmp_path, "conf_d: more\nslots: 1\nlog: {level: info}\njobs: [{name: a, plugins: {s: {}}}]")
    write(
        tmp_path,
        "slots: x\nlog: {levl: debug}\nconf_d: x\njobs: [{nam: b}, {name: a, plugins: {s: {}}}]\nlog: {fil: 1}",
        "more/1.yaml",
    )
    write(tmp_path, "defaults: {plugins: {git: 5}}\nplugins: [a]", "more/2.yaml")
    write(tmp_path, "jobs: {a: b}", "more/3.yaml")
    assert set(problems(path)) == {
        "more/1.yaml: log: given twice, in line 2 and in line 5; keep one",
        "more/1.yaml: conf_d: only the main file may name a directory; remove it here",
        "more/3.yaml: jobs: a mapping here, but a list in config.yaml: jobs; write both alike",
        'more/1.yaml: slots: expected a whole number, got "x"',
        "more/1.yaml: log.fil: unknown key; did you mean file?",
        "more/1.yaml: jobs[0].nam: unknown key; did you mean name?",
        "more/1.yaml: jobs[0].name: required, but missing; add it: The job's name, as in Zuul's layout",
        "more/1.yaml: jobs[1].name: a is the name of config.yaml: jobs[0] too; rename or remove one",
        "more/2.yaml: defaults.plugins.git: expected a mapping, got 5",
        "more/2.yaml: plugins: expected a mapping, got a list",
    }


def test_an_unreadable_piece_of_conf_d_is_told_alone(tmp_path: Path) -> None:
    path = write(tmp_path, "slots: x")
    write(tmp_path, "jobs: [", "conf.d/1.yaml")
    write(tmp_path, "- a", "conf.d/2.yaml")
    said = problems(path)
    assert len(said) == 2
    assert said[0].startswith("conf.d/1.yaml: line 1, column 8: ")
    assert said[1] == "conf.d/2.yaml: expected a mapping at the top, got a list; start with a key"


def test_a_named_file_is_taken_before_every_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THCORE_CONFIG", "/from/variable")
    assert find(Path("named")) == Path("named")
    assert find() == Path("/from/variable")
    monkeypatch.setenv("THCORE_CONFIG", "")
    write(tmp_path, "", "thcore.yaml")
    assert find() == Path("thcore.yaml")


def test_every_place_is_told_when_there_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THCORE_CONFIG", raising=False)
    candidates = tuple(tmp_path / path.name for path in CANDIDATES)
    monkeypatch.setattr(sys.modules["thcore.config.load"], "CANDIDATES", candidates)
    with pytest.raises(ConfigError, match=r"no configuration file found: looked for .*config.json; write one, or name"):
        find()
    candidates[1].write_text("jobs: []")
    assert find() == candidates[1]


def test_a_file_that_may_not_be_looked_at_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> bool:
        raise PermissionError

    monkeypatch.delenv("THCORE_CONFIG", raising=False)
    monkeypatch.setattr(Path, "exists", refuse)
    assert find() == CANDIDATES[0]
