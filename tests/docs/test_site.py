from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import attrs
import click
import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from thcore.cli.main import cli
from thcore.config.schema import Config
from thcore.errors import ExitCode
from thcore.hooks import specs
from thcore.model.document import to_json
from thcore.plugins import Plugins
from thcore.plugins.public import public_names

from parts.outcomes import failing

DOCS = Path(__file__).parents[2] / "docs"

pytestmark = pytest.mark.system


class Page(HTMLParser):
    """What a page links to, the anchors that it has, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.words: list[str] = []
        self.feed(path.read_text("utf-8"))
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if value and name == "id":
                self.anchors.add(value)
            elif value and ((name == "href" and tag in {"a", "link"}) or (name == "src" and tag in {"img", "script"})):
                self.links.append(value)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as ``make docs`` does it."""
    place = tmp_path_factory.mktemp("site")
    return built(place, "html")


def built(place: Path, builder: str) -> Path:
    """The documentation in one form."""
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", builder, "-d", str(place / "trees")]
    ended = subprocess.run(
        [*build, str(DOCS), str(place / builder)], capture_output=True, text=True, timeout=240, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return place / builder


def test_the_site_builds_without_warnings_and_has_every_page(site: Path) -> None:
    sources = {
        path.relative_to(DOCS).with_suffix("")
        for folder in ("", "tools/", "engines/")
        for path in DOCS.glob(f"{folder}*.md")
    }
    assert sources <= {path.relative_to(site).with_suffix("") for path in site.rglob("*.html")}


def test_every_link_inside_the_site_leads_somewhere(site: Path) -> None:
    pages = {path: Page(path) for path in site.rglob("*.html")}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or path.name in {"genindex.html", "search.html"}:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages[target].anchors if target in pages else None
            if not target.exists() or (parts.fragment and known is not None and parts.fragment not in known):
                broken.append(f"{path.relative_to(site)}: {link}")

    assert broken == []


def test_every_link_to_elsewhere_is_one_that_can_be_followed(site: Path) -> None:
    """Whether somebody still answers there is asked by ``make links``."""
    links = {
        link for path in site.rglob("*.html") for link in Page(path).links if urlsplit(link).scheme or link[:2] == "//"
    }
    followed = re.compile(r"https://([a-z0-9-]+\.)+[a-z]{2,}(/[\w./~%+@-]*)?(#[\w.-]+)?")

    assert links
    assert [link for link in links if not followed.fullmatch(link) or "example." in link] == []


def test_every_hook_has_a_heading_its_arguments_and_its_description(site: Path) -> None:
    page = Page(site / "hooks.html")
    hooks = {name: hook for name, hook in vars(specs).items() if name.startswith("thcore_")}

    assert len(hooks) >= 13
    for name, hook in hooks.items():
        arguments = " , ".join(inspect.signature(hook).parameters) or "none"
        assert name in page.anchors, name
        assert f"Arguments: {arguments} ." in page.text or f"Arguments: {arguments}." in page.text, name
        first = (inspect.getdoc(hook) or "").split("\n")[0].replace("``", "")
        assert first.split("`")[0][:40] in page.text, name


def letters(text: str) -> str:
    """A name as in each of the anchors that a heading has."""
    return re.sub(r"[\W_]", "", text)


def test_every_public_name_is_on_its_page_and_no_module_that_is_private(site: Path) -> None:
    page = Page(site / "public-names.html")
    public = public_names()

    assert {letters(anchor) for anchor in page.anchors if anchor.startswith("thcore")} == set(map(letters, public))
    assert [name for names in public.values() for name in names if name not in page.words] == []
    lines = re.findall(r"<li><p>(.*?)</p></li>", (site / "public-names.html").read_text("utf-8"), re.DOTALL)
    assert [line for line in lines if not re.search(r"</code>: \S", line)] == []
    assert len(lines) >= sum(map(len, public.values()))


def keys(cls: type, prefix: str = "") -> Iterator[str]:
    """Names of all keys of the file, found without the documentation's own way of finding them."""
    for field in attrs.fields(attrs.resolve_types(cls)):
        if field.metadata.get("internal"):
            continue
        yield prefix + field.name
        inner = next((part for part in (field.type, *getattr(field.type, "__args__", ())) if is_section(part)), None)
        if inner is not None:
            many = "[]" if str(field.type).startswith("tuple") else ""
            yield from keys(inner, f"{prefix}{field.name}{many}.")


def is_section(kind: object) -> bool:
    return isinstance(kind, type) and attrs.has(kind) and kind.__name__ != "Secret"


def test_every_key_of_the_configuration_is_described(site: Path) -> None:
    page = Page(site / "configuration.html")
    known = list(keys(Config))

    assert "gearman.tls.ssl_key" in known
    assert "jobs[].plugins" in known
    assert [key for key in known if key not in page.words] == []


def test_every_option_and_setting_of_every_plugin_is_described(site: Path) -> None:
    page = Page(site / "plugins.html")
    plugins = Plugins.installed()
    known = [
        key
        for name in plugins.names
        for cls, prefix in ((plugins.get(name).options, ""), (plugins.get(name).settings, "plugins."))
        if cls is not None
        for key in keys(cls, f"{prefix}{name}.")
    ]

    assert {"git.base_url", "dbmigration.alembic.config", "log_patterns.patterns[].regex"} <= set(known)
    assert [key for key in known if key not in page.words] == []


def test_every_option_has_its_type_its_default_and_an_example(site: Path) -> None:
    for name in ("configuration", "plugins"):
        entries = re.split(r'<dl class="std confval">', (site / f"{name}.html").read_text("utf-8"))[1:]
        assert len(entries) > 40
        for entry in entries:
            key = re.search(r'id="confval-([^"]+)"', entry)
            assert key
            section = "Its keys are" in entry or "Default" not in entry  # of what has keys of its own, those are told
            assert "Type" in entry, key[1]
            assert section or "highlight-yaml" in entry, key[1]


def test_the_manual_pages_are_built_from_the_same_source(site: Path) -> None:
    manual = built(site.parent, "man")

    command = (manual / "thcore.1").read_text("utf-8").replace("\\-", "-")
    assert "thcore - run CI builds" in command
    assert "THCORE SERVE" in command.upper()
    assert "75" in command, "exit codes"
    assert "drain_timeout" in (manual / "thcore.yaml.5").read_text("utf-8")
    assert "<>" not in command


def test_the_schema_of_the_configuration_is_published_and_takes_every_example(site: Path) -> None:
    schema = json.loads((site / "thcore.schema.json").read_text("utf-8"))
    validator = jsonschema.Draft7Validator(schema)
    examples = sorted(DOCS.glob("examples/**/thcore.yaml"))

    assert len(examples) >= 6
    for example in (DOCS / "examples" / "minimal.yaml", *examples):
        assert list(validator.iter_errors(yaml.safe_load(example.read_text("utf-8")))) == [], example
    assert "thcore.schema.json" in Page(site / "configuration.html").links


def test_every_exit_code_is_told_on_the_page_of_commands_and_by_help(site: Path) -> None:
    page = Page(site / "command-line.html").text
    told = " ".join(CliRunner().invoke(cli, ["--help"]).output.split())

    for code in ExitCode:
        assert re.search(rf"\b{code:d} {code.name} [A-Z]", page), code
        assert re.search(rf"\b{code:d} [a-z]", told), code


def test_every_page_is_in_one_of_the_four_parts(site: Path) -> None:
    text = (site / "index.html").read_text("utf-8")
    parts = re.findall(r'<p class="caption"[^>]*><span class="caption-text">(.*?)</span>', text)

    assert parts == ["Tutorial", "How to", "Reference", "Explanation"]


def test_every_command_is_described(site: Path) -> None:
    page = Page(site / "command-line.html")
    context = click.Context(cli, info_name="thcore")
    known = []
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        inner = [f"-{each}" for each in command.commands] if isinstance(command, click.Group) else []
        if command is not None and not getattr(command, "no_args_is_help", False):
            inner.append("")  # it does something by itself
        known += [f"thcore-{name}{each}" for each in inner]

    assert {"thcore-run", "thcore-snapshots-warm"} <= set(known)
    assert [command for command in known if command not in page.anchors] == []


def test_the_schema_is_published_and_describes_what_is_written(site: Path) -> None:
    schema = json.loads((site / "result.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    written = json.loads(to_json(failing()))

    jsonschema.validate(written, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**written, "verdict": "MAYBE"}, schema)
    assert "result.schema.json" in Page(site / "result.html").links


def test_diagrams_are_part_of_the_page_and_leave_their_colours_to_it(site: Path) -> None:
    for name in ("index", "flow", "migration-gate"):
        text = (site / f"{name}.html").read_text("utf-8")
        assert '<div class="diagram"' in text
        assert "</svg>" in text
        assert ".svg" not in text.partition('<div class="diagram"')[2].partition("</svg>")[0]
