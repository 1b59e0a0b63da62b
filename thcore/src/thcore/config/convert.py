"""The one strict converter between plain data (as YAML and JSON have it) and frozen attrs classes.

Nothing is coerced in silence, no key is ignored, and all problems are found at once. Besides thcore's own schema it
reads the option and settings classes of plugins. cattrs finds the hook for a type and keeps it; the hooks here take
the place of all of its own, which coerce.
"""

from __future__ import annotations

import collections.abc
import difflib
import enum
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, TypeVar, Union, cast, get_args, get_origin

import attrs
import cattrs

from thcore.config.problem import Problem, WrongError, at, key_text, value_text
from thcore.config.scalar import SCALARS
from thcore.errors import ConfigError
from thcore.model import Secret

T = TypeVar("T")
_Hook = Callable[[Any, Any], Any]

_SEQUENCES: Mapping[Any, Callable[[Iterable[Any]], Any]] = {
    tuple: tuple,
    list: list,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: tuple,
}
_MAPPINGS = (dict, collections.abc.Mapping)


def structure(value: object, cls: type[T], where: str) -> T:
    """Read ``value`` as an instance of ``cls``: an attrs class, or any type that its fields may have.

    ``where`` is the place of ``value``: ``config.yaml`` or ``config.yaml: jobs[2].plugins.git``. Raises ConfigError
    with all problems.
    """
    try:
        return check(value, cls)
    except WrongError as wrong:
        raise ConfigError(*(f"{at(where, problem.path)}: {problem.text}" for problem in wrong.problems)) from None


def check(value: object, cls: type[T]) -> T:
    """Like ``structure``, but raises WrongError, for callers that know more about the place of each key."""
    return cast("T", _structure(value, cls))


def changed(instance: T, values: object) -> T:
    """A copy of an instance of an attrs class with the keys in ``values`` read anew. Raises WrongError."""
    return cast("T", _attrs_class(values, type(instance), instance))


def unstructure(value: object) -> Any:
    """Plain data of structured values, for showing: secrets as ``***``, paths as text, durations in
    seconds. Of options that only their plugin can read, no more than the keys is shown."""
    if attrs.has(type(value)) and not isinstance(value, Secret):
        return {
            field.alias: (_keys_only if field.metadata.get("opaque") else unstructure)(getattr(value, field.name))
            for field in attrs.fields(cast("Any", type(value)))
            if field.init and not field.metadata.get("internal")
        }
    if isinstance(value, enum.Enum):
        return unstructure(value.value)
    if isinstance(value, Mapping):
        return {str(key): unstructure(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, frozenset, set)):
        return [unstructure(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)


def _keys_only(value: Any) -> Any:
    """Data whose meaning is not known here: any of it may be secret."""
    return {key: _keys_only(item) for key, item in value.items()} if isinstance(value, Mapping) else "***"


def file_keys(cls: type[Any]) -> Mapping[str, attrs.Attribute[Any]]:
    """The keys that a file may give for an attrs class, with their fields, whose types are resolved.

    Raises WrongError when the class has annotations that cannot be resolved.
    """
    try:
        attrs.resolve_types(cls, include_extras=True)
    except Exception as error:
        text = f"{cls.__name__} cannot be read from a file: {error}; its author must import what its annotations name"
        raise WrongError.here(text) from error
    return {
        field.alias or field.name: field
        for field in attrs.fields(cls)
        if field.init and not field.metadata.get("internal")
    }


def type_text(kind: Any) -> str:
    """A type in words, as the configuration reference and the problems say it."""
    kind = _plain(kind)
    return _kind_of(kind).text(kind)


def readable(kind: Any) -> bool:
    """Whether a file can give a value of this type; of classes inside it, their fields are not looked at."""
    kind = _plain(kind)
    if get_origin(kind) is Literal:
        return True
    return _kind_of(kind) is not _KINDS[-1] and all(readable(part) for part in get_args(kind) if part is not Ellipsis)


def _either(names: Iterable[str]) -> str:
    *most, last = dict.fromkeys(names)
    return f"{', '.join(most)} or {last}" if most else last


def _choice_text(choice: object) -> str:
    return choice if isinstance(choice, str) and choice else value_text(choice)


def _plain(kind: Any) -> Any:
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind


def _structure(value: object, kind: Any) -> Any:
    kind = _plain(kind)
    try:
        hook = _converter.get_structure_hook(kind)
    except TypeError as error:  # hooks are kept by type, and a few odd ones cannot be hashed
        raise _unsupported(kind) from error
    return hook(value, kind)


def _unsupported(kind: Any) -> WrongError:
    return WrongError.here(f"{type_text(kind)} cannot be read from a file; the author must choose another type for it")


def _each(parts: Iterable[tuple[str | int, object, Any]]) -> list[Any]:
    """Structure the parts of a container, given as key, value and type. Raises WrongError for all of them."""
    problems: list[Problem] = []
    results = []
    for key, value, kind in parts:
        try:
            results.append(_structure(value, kind))
        except WrongError as wrong:
            problems.extend(problem.below(key) for problem in wrong.problems)
    if problems:
        raise WrongError(*problems)
    return results


def _choice(options: Mapping[Any, tuple[object, Any]]) -> _Hook:
    """``options`` are the values of a file, as (type, value), with what each stands for."""

    def hook(value: Any, kind: Any) -> Any:
        key = (type(value), value) if isinstance(value, collections.abc.Hashable) else None
        if isinstance(value, bool) and key not in options:
            key = (str, "on" if value else "off")  # YAML takes these words, unless quoted, for true and false
        if key in options:
            return options[key]
        texts = [option for _, option in options if isinstance(option, str)]
        raise WrongError.expected(type_text(kind), value, _did_you_mean(value, texts))

    return hook


def _did_you_mean(value: object, known: Iterable[str]) -> str:
    spelled = {key.lower().replace("-", "_"): key for key in known}
    wanted = value.lower().replace("-", "_") if isinstance(value, str) else ""
    close = difflib.get_close_matches(wanted, list(spelled), n=1)
    return f"did you mean {spelled[close[0]]}?" if close else ""


# Containers


def _not_a(kind: Any, value: object, hint: str = "") -> WrongError:
    # Text where a container is expected is not shown: it may be a secret of that container.
    got = "text" if isinstance(value, str) else value_text(value)
    return WrongError.here(f"expected {type_text(kind)}, got {got}" + (f"; {hint}" if hint else ""))


def _sequence(kind: Any) -> _Hook:
    make, arguments = _SEQUENCES[get_origin(kind) or kind], get_args(kind)

    def hook(value: Any, kind: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            hint = "write it as [value]" if isinstance(value, (str, int, float)) else ""
            raise _not_a(kind, value, hint)
        if make is tuple and arguments and arguments[-1] is not Ellipsis and get_origin(kind) is tuple:
            if len(value) != len(arguments):
                raise WrongError.here(f"expected a list of {len(arguments)} values, got {len(value)}")
            element_kinds = arguments
        else:
            element_kinds = (arguments[0] if arguments else Any,) * len(value)
        elements = _each(zip(range(len(value)), value, element_kinds, strict=True))
        try:
            return make(elements)
        except TypeError as error:  # a set of what cannot be in a set
            raise _unsupported(kind) from error

    return hook


def _mapping(kind: Any) -> _Hook:
    key_kind, value_kind = get_args(kind) or (str, Any)

    def hook(value: Any, kind: Any) -> Any:
        value = _text_keyed(value, kind)
        results = _each((key, item, value_kind) for key, item in value.items())
        return dict(zip(_each((key, key, key_kind) for key in value), results, strict=True))

    return hook


def _text_keyed(value: Any, kind: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _not_a(kind, value)
    odd = [key for key in value if not isinstance(key, str)]
    if odd:
        raise WrongError(*(Problem((), f"the key {value_text(key)} is not text; put quotes around it") for key in odd))
    return value


def _union(kind: Any) -> _Hook:
    options = get_args(kind)
    others = [option for option in options if option is not types.NoneType]

    def hook(value: Any, kind: Any) -> Any:
        if value is None and len(others) < len(options):
            return None
        if len(others) == 1:
            return _structure(value, others[0])
        if any(_is_secret(option) for option in others):
            # The problems of the other options would show the value.
            raise _unsupported(kind)
        for option in others:
            try:
                return _structure(value, option)
            except WrongError as wrong:
                if any(problem.path for problem in wrong.problems):
                    raise  # the right shape, with something wrong inside
        raise WrongError.expected(type_text(kind), value)

    return hook


def _is_secret(kind: Any) -> bool:
    return kind is Secret or any(_is_secret(part) for part in get_args(_plain(kind)))


def _attrs_class(value: Any, kind: Any, base: Any = None) -> Any:
    """``base``, an instance, answers for the keys that are not given."""
    value = _text_keyed(value, kind)
    fields = file_keys(kind)
    arguments: dict[str, Any] = {}
    problems = [Problem((key,), unknown_key(key, fields)) for key in value if key not in fields]
    for key, field in fields.items():
        if key in value:
            try:
                arguments[key] = _field(value[key], field)
            except WrongError as wrong:
                problems.extend(problem.below(key) for problem in wrong.problems)
        elif base is None and field.default is attrs.NOTHING:
            doc = field.metadata.get("doc", "").rstrip(".")
            problems.append(Problem((key,), f"required, but missing; add it: {doc or type_text(field.type)}"))
    if problems:
        raise WrongError(*problems)
    return _construct(kind if base is None else partial(attrs.evolve, base), arguments)


def unknown_key(key: str, known: Collection[str]) -> str:
    """The words for a key that is none of the known ones."""
    every = f"known are {', '.join(key_text(each) for each in known)}" if known else "there are none here, remove it"
    return f"unknown key; {_did_you_mean(key, known) or every}"


def _field(value: object, field: attrs.Attribute[Any]) -> Any:
    if field.type is None:
        raise WrongError.here("it has no type; the author must annotate it")
    result = _structure(value, field.type)
    if field.validator is not None and field.converter is None:
        # Run early and alone, so that what it says is known to be about this key. A validator that needs the instance
        # fails in some other way without one; it is run again by the class.
        try:
            field.validator(cast("Any", None), field, result)
        except WrongError:
            raise
        except ValueError as error:
            raise WrongError.here(_message(error)) from error
        except Exception:  # noqa: BLE001, S110 - see above; the class runs the same validator
            pass
    return result


def _construct(make: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    try:
        return make(**arguments)
    except WrongError:
        raise
    except Exception as error:
        # Validators and initialisers are other people's code: whatever they raise is about the values they were given.
        raise WrongError.here(_message(error)) from error


def _message(error: Exception) -> str:
    return str(error.args[0] if error.args else "") or type(error).__name__


# Which hook and which words are a type's


def _unsupported_hook(kind: Any) -> _Hook:
    def hook(_value: Any, _kind: Any) -> Any:
        raise _unsupported(kind)

    return hook


def _new_type(kind: Any) -> _Hook:
    return lambda value, _: _structure(value, kind.__supertype__)


def _is_one_of(kind: Any, known: Collection[Any]) -> bool:
    origin = get_origin(kind) or kind
    return any(origin is each for each in known)


def _scalar(kind: Any) -> _Hook:
    read, _ = SCALARS[kind]
    return lambda value, _: read(value)


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType)


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


@attrs.frozen
class _Kind:
    """A family of types: how to tell it, how to make the hook of one of its types, and what it is in words."""

    matches: Callable[[Any], bool]
    hook: Callable[[Any], _Hook]
    text: Callable[[Any], str]


_KINDS = (
    _Kind(lambda kind: _is_one_of(kind, SCALARS), _scalar, lambda kind: SCALARS[kind][1]),
    _Kind(lambda kind: isinstance(kind, NewType), _new_type, lambda kind: type_text(kind.__supertype__)),
    _Kind(_is_union, _union, lambda kind: _either(type_text(option) for option in get_args(kind))),
    _Kind(
        lambda kind: get_origin(kind) is Literal,
        lambda kind: _choice({(type(choice), choice): choice for choice in get_args(kind)}),
        lambda kind: _either(_choice_text(choice) for choice in get_args(kind)),
    ),
    _Kind(lambda kind: _is_one_of(kind, _SEQUENCES), _sequence, lambda _: "a list"),
    _Kind(lambda kind: _is_one_of(kind, _MAPPINGS), _mapping, lambda _: "a mapping"),
    _Kind(
        _is_enum,
        lambda kind: _choice({(type(member.value), member.value): member for member in kind}),
        lambda kind: _either(_choice_text(member.value) for member in kind),
    ),
    _Kind(lambda kind: isinstance(kind, type) and attrs.has(kind), lambda _: _attrs_class, lambda _: "a mapping"),
    _Kind(lambda _: True, _unsupported_hook, lambda kind: getattr(kind, "__name__", str(kind))),
)


def _kind_of(kind: Any) -> _Kind:
    return next(family for family in _KINDS if family.matches(kind))


def _hook(kind: Any) -> _Hook:
    return _kind_of(kind).hook(kind)


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook_factory(lambda _kind: True, _hook)
    # cattrs looks these up by class first, and would take an enum of texts for text.
    for builtin in (str, int, float, bool, bytes, Path):
        converter.register_structure_hook(builtin, lambda value, kind: _hook(kind)(value, kind))
    return converter


_converter = _make_converter()
