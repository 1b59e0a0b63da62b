"""YAML from people that nobody knows: texts, lists and mappings, and nothing that grows when it is read."""

from __future__ import annotations

from typing import Any

import yaml


def load(content: bytes, largest: int) -> Any:
    """The document in ``content``, with every number and date as the text that it is: a version such as 0123 stays so.
    Raises ValueError in words for what is no YAML, has anchors or a key twice, is nested deep or larger than
    ``largest`` bytes."""
    if len(content) > largest:
        raise ValueError(f"is larger than {largest // 1024} KiB")
    try:
        return yaml.load(content.decode("utf-8"), _Loader)  # noqa: S506 - texts, lists and mappings only
    except UnicodeDecodeError as error:
        raise ValueError(f"is no UTF-8 text: {error.reason}") from None
    except yaml.MarkedYAMLError as error:
        at = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"{at}is no YAML that is taken: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"is no YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ValueError("is nested too deep") from None


class _Loader(yaml.BaseLoader):
    """No aliases: a few lines of them make a tree of gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call] # PyYAML's
            raise yaml.composer.ComposerError(problem="write out what the alias stands for", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(problem="a key must be text", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"{key.value} is there twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)
