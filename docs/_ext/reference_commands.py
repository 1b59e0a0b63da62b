"""The command with all that is below it."""

from __future__ import annotations

import ast
import inspect
import typing
from collections.abc import Iterator
from typing import Any

import click
from reference_words import escaped

from thcore.cli.main import cli
from thcore.errors import ExitCode


def commands() -> str:
    """Every command with its arguments and options: ours, and those that installed plugins add."""
    context = click.Context(cli, info_name="thcore")
    return "\n".join(
        line for name in cli.list_commands(context) for line in _command(context, cli.get_command(context, name))
    )


def exit_codes() -> str:
    """The exit codes of the command."""
    told = _member_docs(ExitCode)
    lines = ["| exit code | name | meaning |", "|---|---|---|"]
    lines += [
        f"| {int(code)} | `{code.name}` | {told.get(code.name, 'All is well.')} |" for code in sorted(ExitCode, key=int)
    ]
    return "\n".join(lines)


def _command(parent: click.Context, command: click.Command | None) -> Iterator[str]:
    if command is None:
        raise LookupError("a command of ours is not there")
    context = click.Context(command, info_name=command.name, parent=parent)
    if isinstance(command, click.Group):
        if command.invoke_without_command:
            yield from _described(command, context)
        for name in command.list_commands(context):
            yield from _command(context, command.get_command(context, name))
    else:
        yield from _described(command, context)


def _described(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## `{context.command_path}`\n"
    # Each piece is as long as click would print it: not at all.
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"```text\n{usage}\n```\n"
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b\n"):
            example = paragraph.removeprefix("\b\n").removeprefix("Example: ")
            yield f"```console\n$ {example}\n```\n"
        else:
            yield f"{escaped(paragraph)}\n"
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option):
            yield from _option(parameter, context)


def _option(option: click.Option, context: click.Context) -> Iterator[str]:
    record = option.get_help_record(context)
    if record is None or "--help" in option.opts:
        return
    yield f"`{record[0]}`"
    yield f": {escaped(record[1].strip())}\n"


def _member_docs(cls: type[Any]) -> dict[str, str]:
    """The texts that stand under the members of a class."""
    (body,) = ast.parse(inspect.getsource(cls)).body
    found = {}
    name = None
    for node in typing.cast("ast.ClassDef", body).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            found[name] = str(node.value.value)
            name = None
    return found
