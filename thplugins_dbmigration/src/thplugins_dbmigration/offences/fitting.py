"""Which values do not fit a type, as conditions for a server."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve, frozen

from thplugins_dbmigration.offences.demand import Fits
from thplugins_dbmigration.offences.naming import Quote, text

_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64, "bool": 8, "boolean": 8}
_BITS_OF_POSTGRESQL = {"smallint": 16, "int2": 16, "integer": 32, "int": 32, "int4": 32, "bigint": 64, "int8": 64}
_DECIMALS = frozenset({"decimal", "numeric", "dec", "fixed"})
_NUMBERS = frozenset({"float", "double", "double precision", "real"})
_CHARACTERS = frozenset({"varchar", "char", "character", "character varying", "nvarchar", "nchar", "bpchar"})
_LARGE = {"tiny": 2**8 - 1, "": 2**16 - 1, "medium": 2**24 - 1}
"""Bytes that a text or a blob of MySQL holds."""
_DATES = frozenset({"date", "datetime", "timestamp"})
_NUMBER = r"^[[:space:]]*[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?[[:space:]]*$"


@frozen
class Misfit:
    """A kind of values that do not fit: ``condition`` finds them, ``words`` say what rows with such a value have."""

    kind: str
    condition: str
    words: str


def misfits(dialect: str, fits: Fits, quote: Quote) -> tuple[Misfit, ...]:
    """What a type cannot take, as far as it can be asked for in a condition."""
    if dialect == "mysql":
        return tuple(_of_mysql(fits, quote(fits.column)))
    if dialect == "postgresql" and not fits.using:
        return tuple(_of_postgresql(fits, quote(fits.column)))
    return ()


def _of_mysql(fits: Fits, column: str) -> Iterator[Misfit]:
    kind, number, name = fits.type, fits.number, fits.column
    if kind in _CHARACTERS:
        # Spaces at the end are cut, whatever the mode is.
        yield _too_long(f"char_length(trim(TRAILING ' ' FROM {column}))", number or 1, name, "characters")
    elif kind in {"varbinary", "binary"}:
        yield _too_long(f"length({column})", number or 1, name, "bytes")
    elif kind.endswith(("text", "blob")) and kind.removesuffix("text").removesuffix("blob") in _LARGE:
        most = _LARGE[kind.removesuffix("text").removesuffix("blob")]
        yield _too_long(f"length({column})", most, name, "bytes")
    elif kind in _BITS:
        bits = _BITS[kind]
        low, high = (0, 2**bits - 1) if fits.unsigned else _signed(bits)
        yield _outside(column, low, high, name)
    elif kind in _DECIMALS:
        yield _too_large(fits, column, default=10)
    elif kind == "enum":
        yield Misfit(
            "out-of-range",
            f"{column} NOT IN ({', '.join(fits.arguments)})",
            f"a value in {name} that the enum does not list",
        )
    elif kind in _DATES:
        condition = f"CAST({column} AS DATETIME) IS NULL OR month({column}) = 0 OR dayofmonth({column}) = 0"
        if kind == "timestamp":
            condition += f" OR {column} < '1970-01-01 00:00:01'"
        yield Misfit("invalid-date", f"{column} IS NOT NULL AND ({condition})", f"a value in {name} that is no {kind}")
    elif kind == "json":
        yield Misfit("invalid-text", f"NOT json_valid({column})", f"a value in {name} that is no JSON")
    if kind in _BITS or kind in _DECIMALS or kind in _NUMBERS:
        condition = f"CAST({column} AS CHAR) NOT REGEXP {text('mysql', _NUMBER)}"
        yield Misfit("invalid-text", condition, f"a value in {name} that is no number")
    if fits.charset:
        there = f"CAST(convert({column} USING utf8mb4) AS BINARY)"
        back = f"CAST(convert(convert({column} USING {quoted_word(fits.charset)}) USING utf8mb4) AS BINARY)"
        yield Misfit("invalid-text", f"{there} <> {back}", f"characters in {name} that {fits.charset} does not have")


def _of_postgresql(fits: Fits, column: str) -> Iterator[Misfit]:
    kind, number, name = fits.type, fits.number, fits.column
    if kind in _CHARACTERS and (number is not None or kind in {"char", "character"}):
        # Of what is too long spaces at the end are cut without a word.
        yield _too_long(f"char_length(rtrim({column}::text, ' '))", number or 1, name, "characters")


def implied(fits: Fits) -> str:
    """What MySQL gives to rows that are there in a new column that is never NULL, where the statement does not say."""
    if fits.type in _BITS or fits.type in _DECIMALS or fits.type in _NUMBERS:
        return "0"
    if fits.type == "enum" and fits.arguments:
        return fits.arguments[0]
    return "'0000-00-00'" if fits.type in _DATES else "''"


def is_number(fits: Fits) -> bool:
    """Whether a column of PostgreSQL has numbers now."""
    return fits.type in _BITS_OF_POSTGRESQL or fits.type in _DECIMALS or fits.type in _NUMBERS


def out_of_range(fits: Fits, quote: Quote) -> tuple[Misfit, ...]:
    """What a type of PostgreSQL cannot take of numbers."""
    if fits.type in _BITS_OF_POSTGRESQL:
        low, high = _signed(_BITS_OF_POSTGRESQL[fits.type])
        return (_outside(quote(fits.column), low, high, fits.column),)
    if fits.type in _DECIMALS and fits.number is not None:
        found = _too_large(fits, quote(fits.column), default=131072)
        # What is no number at all fits, and is the greatest of all.
        return (evolve(found, condition=f"{found.condition} AND {quote(fits.column)}::numeric <> 'NaN'"),)
    return ()


def quoted_word(word: str) -> str:
    """A word of the language, such as the name of a character set, with nothing in it that could be more."""
    return "".join(char for char in word if char.isalnum() or char == "_")


def _signed(bits: int) -> tuple[int, int]:
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def _too_long(length: str, most: int, name: str, unit: str) -> Misfit:
    return Misfit("too-long", f"{length} > {most}", f"more than {most} {unit if most > 1 else unit[:-1]} in {name}")


def _outside(column: str, low: int, high: int, name: str) -> Misfit:
    return Misfit(
        "out-of-range", f"{column} NOT BETWEEN {low} AND {high}", f"a number outside of {low} to {high} in {name}"
    )


def _too_large(fits: Fits, column: str, *, default: int) -> Misfit:
    scale = int(fits.arguments[1]) if len(fits.arguments) > 1 and fits.arguments[1].isdigit() else 0
    most = (fits.number or default) - scale
    condition = f"abs(round({column}, {scale})) >= 1{'0' * most}"
    return Misfit("out-of-range", condition, f"a number of more than {most} digits before the point in {fits.column}")
