"""turbo-hipster's own configuration files."""

from __future__ import annotations

from pathlib import Path

import pytest

from thcore.config import load
from thcore.errors import ConfigError

DATA = Path(__file__).parent / "data"


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    return [problem.removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


def test_the_first_form_with_bare_plugin_names_is_read() -> None:
    path = DATA / "turbo-hipster-first.json"
    config = load(path)
    (job,) = config.jobs
    assert job.name == "gate-real-db-upgrade_nova_mysql"
    assert dict(job.plugins) == {
        "git": {"base_url": "/srv/zuul/git/"},
        "publish_local": {"path": "/srv/results/", "url": "https://results.example.org/"},
        "venv": {},
        "dbmigration": {"datasets": "/var/lib/turbo-hipster/datasets"},
    }
    assert job.where == f"{path}: plugins[0]"
    assert config.gearman.addresses == (("zuul.example.org", 4731),)
    assert config.directories.work_path == Path("/srv/th/jobs")
    assert config.directories.state == Path("/srv/th/git/thcore")
    assert (config.log.level, config.log.file) == ("debug", Path("/var/log/turbo-hipster/debug.log"))
    assert [note.removeprefix(f"{path}: ") for note in config.notes] == [
        "git_working_dir: everything that must survive a restart is kept in /srv/th/git/thcore",
        "plugins[0]: without function; it does the job gate-real-db-upgrade_nova_mysql",
        "plugins[0].datasets_dir: missing; /var/lib/turbo-hipster/datasets is used",
        "pip_download_cache: uv keeps its own cache; ignored",
    ]


def test_the_form_with_a_list_of_plugins_is_read() -> None:
    path = DATA / "turbo-hipster-plugins.yaml"
    config = load(path)
    small, large, shelly, dirty = config.jobs
    common = {
        "git": {"base_url": "git://git.example.org/"},
        "publish_swift": {
            "auth_url": "https://identity.example.org/v2.0/",
            "tenant": "gate",
            "user": "uploader",
            "password": "not-for-eyes",
            "container": "logs",
            "region": "SYD",
            "url": "https://logs.example.org/",
        },
    }
    assert small.name == "gate-real-db-upgrade_nova_mysql_small"
    assert dict(small.plugins) == {**common, "venv": {}, "dbmigration": {"datasets": "/srv/datasets/small"}}
    assert large.name == "real-db-upgrade_nova_mysql_large"
    assert (shelly.name, shelly.nodes) == ("shelly", ("bare-metal",))
    assert dict(shelly.plugins) == {
        **common,
        "shell": {"script": ["/opt/gate/run.sh", "--with", "two words"]},
        "exit_status": {},
    }
    assert (dirty.name, dirty.shutdown_after, shelly.shutdown_after) == ("dirty", True, False)
    assert dirty.plugins["shell"] == {"script": ["/bin/sh", "-c", "ls -lah && echo"]}
    assert any("$WORKSPACE" in note for note in config.notes)
    assert sum(note.endswith("; ignored") for note in config.notes) == 6
    assert "not-for-eyes" not in repr(config)
    assert small.option_places["dbmigration"]["datasets"] == f"{path}: plugins[0].datasets_dir"
    assert small.option_places["git"]["base_url"] == f"{path}: zuul_server.git_origin"
    assert small.option_places["publish_swift"]["auth_url"] == f"{path}: publish_logs.authurl"


def test_the_form_with_jobs_is_read() -> None:
    config = load(DATA / "turbo-hipster-jobs.yaml")
    migration, pep8, house = config.jobs
    assert config.gearman.addresses == (("2001:db8::7", 4730),)
    assert migration.name == "real-db-upgrade_nova_mysql"
    assert migration.plugins["dbmigration"] == {"datasets": "/srv/datasets"}
    assert migration.plugins["publish_local"] == {"path": "/srv/results/"}
    assert pep8.plugins["shell"] == {"script": ["tox", "-e", "pep8"]}
    assert house.plugins["house_rules"] == {"strictness": 3}
    assert house.where.endswith("turbo-hipster-jobs.yaml: jobs[2]")


def test_conf_d_adds_to_turbo_hipsters_file_too(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text((DATA / "turbo-hipster-jobs.yaml").read_text() + "conf_d: extra\n")
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "more.yaml").write_text("jobs: [{name: more, shell_script: /bin/true}]\ndebug_log: /x\n")
    config = load(tmp_path / "config.yaml")
    assert [job.name for job in config.jobs] == ["real-db-upgrade_nova_mysql", "pep8", "house", "more"]
    assert config.jobs[3].where == f"{tmp_path}/extra/more.yaml: jobs[0]"
    assert config.log.file == Path("/x")


def test_a_missing_conf_d_is_a_note_as_it_was_a_warning(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text((DATA / "turbo-hipster-jobs.yaml").read_text() + "conf_d: /nowhere\n")
    assert any("conf_d: /nowhere cannot be read" in note for note in load(tmp_path / "config.yaml").notes)


def test_a_file_without_publishing_and_git_is_read(tmp_path: Path) -> None:
    (tmp_path / "c").write_text(
        "{zuul_server: {gearman_host: localhost, gearman_port: 0}, debug_log: null, publish_logs: null,"
        " plugins: [{name: my_own, function: 'build:x'}], jobs: [{name: real_db_upgrade, function: y}]}"
    )
    config = load(tmp_path / "c")
    assert [dict(job.plugins) for job in config.jobs] == [
        {"git": {}, "my_own": {}},
        {"git": {}, "venv": {}, "dbmigration": {"datasets": "/var/lib/turbo-hipster/datasets"}},
    ]
    assert [job.name for job in config.jobs] == ["x", "y"]
    assert config.gearman.servers == ("localhost:4730",)
    assert any("no server listens on port 0; 4730 is used" in note for note in config.notes)


def test_what_is_wrong_is_said_in_turbo_hipsters_own_keys(tmp_path: Path) -> None:
    assert set(
        problems(
            tmp_path,
            """{"zuul_server": {"gearman_hots": "a", "gearman_port": "4730"},
            "debug_lgo": "/x", "jobs_working_dir": 5, "gearman": {}, "extra": 1,
            "publish_logs": {"type": "ftp"},
            "plugins": [
              {"name": "real_db_upgrade", "datasets_dri": "/d", "function": "build:a"},
              {"name": "shell_script", "function": "build:b"},
              {"name": "shell_script", "function": "build:c", "shell_script": "run 'x"},
              {"name": "shell_script", "function": "build:d", "shell_script": " "},
              {"name": "jjb_runner", "function": "build:e", "jjb_config": "/x"},
              {"function": "build:f"},
              7]}""",
        )
    ) == {
        "config.json: zuul_server.gearman_hots: unknown key; did you mean gearman_host?",
        "config.json: zuul_server.gearman_host: required, but missing; add it",
        'config.json: zuul_server.gearman_port: expected a whole number, got "4730"; remove the quotes',
        "config.json: debug_lgo: unknown key; did you mean debug_log?",
        "config.json: jobs_working_dir: expected text, got 5; put quotes around it",
        (
            "config.json: gearman: this is thcore's own format, zuul_server is turbo-hipster's; "
            "write all files in one format"
        ),
        (
            "config.json: extra: unknown key; known are zuul_server, debug_log, jobs_working_dir, git_working_dir, "
            "publish_logs, plugins, jobs, conf_d, gearman, pip_download_cache, logs, flavor, baseline_command"
        ),
        'config.json: publish_logs.type: expected local or swift, got "ftp"; use one of these, or thcore\'s own format',
        "config.json: plugins[0].datasets_dri: unknown key; did you mean datasets_dir?",
        "config.json: plugins[1].shell_script: required, but missing; add it",
        'config.json: plugins[2].shell_script: "run \'x" is not a command: No closing quotation; correct the quotes',
        "config.json: plugins[3].shell_script: the command is empty; name a program",
        (
            "config.json: plugins[4]: the plugin jjb_runner has no successor; "
            "run the commands of the Jenkins job with shell_script"
        ),
        "config.json: plugins[5].name: required, but missing; add it",
        "config.json: plugins[6]: expected a mapping with a name, got 7",
    }


def test_a_file_without_server_or_jobs_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, '{"plugins": []}') == [
        "config.json: zuul_server: required, but missing; add it",
        "config.json: plugins: required, but missing; list at least one plugin",
    ]
    assert problems(tmp_path, '{"zuul_server": {}, "plugins": ["a"], "publish_logs": {}}') == [
        "config.json: zuul_server.gearman_host: required, but missing; add it",
        "config.json: publish_logs.type: required, but missing; add it",
    ]
    assert problems(
        tmp_path, '{"zuul_server": {"gearman_host": "a"}, "plugins": ["a"], "publish_logs": {"type": "local", "x": 1}}'
    ) == [
        "config.json: publish_logs.path: required, but missing; add it",
        "config.json: publish_logs.x: unknown key; known are type, path, prepend_url",
    ]


def test_two_plugins_for_one_function_are_refused(tmp_path: Path) -> None:
    text = """{"zuul_server": {"gearman_host": "a"}, "plugins": [
        {"name": "shell_script", "function": "build:a b", "shell_script": "x"},
        {"name": "shell_script", "function": "build:c", "shell_script": "x"},
        {"name": "real_db_upgrade", "function": "build:c"}]}"""
    assert problems(tmp_path, text) == [
        f"config.json: plugins[2].name: c is the name of {tmp_path}/config.json: plugins[1] too; rename or remove one",
        (
            "config.json: plugins[0].function: 'a b' is not a job name; use one word without colon and slash, "
            "as in Zuul's layout"
        ),
    ]
