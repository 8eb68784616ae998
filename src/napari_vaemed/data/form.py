"""What can be told to a constructor, read off its signature and its docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

Value = int | float | bool | str


@dataclass(frozen=True)
class Field:
    """One argument.

    Parameters
    ----------
    name : str
    default : int, float, bool or str
        Its type is the argument's.
    choices : tuple of str
        The only values there are; empty: any.
    tip : str
        What the docstring says of it.
    """

    name: str
    default: Value
    choices: tuple[str, ...] = ()
    tip: str = ""


@dataclass(frozen=True)
class Form:
    """The arguments of a constructor, by its name, and the first sentence of its docstring."""

    name: str
    what: str
    fields: tuple[Field, ...]

    def changed(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Those values that are not the defaults."""
        return {f.name: values[f.name] for f in self.fields if values[f.name] != f.default}


def form_of(constructor: Callable[..., Any], usual: Mapping[str, Value] | None = None) -> Form:
    """The form of a constructor with typed, defaulted arguments and a numpydoc docstring.

    Choices come from a ``Literal`` or from the docstring's ``{"a", "b"}``.

    Parameters
    ----------
    constructor : function or class
    usual : mapping or None
        Defaults in the place of the signature's, by name.

    Raises
    ------
    TypeError
        If an argument has no default, or one that is no int, float, bool or str.
    """
    doc = inspect.getdoc(constructor) or ""
    said = _parameters(doc)
    fields = []
    for name, parameter in inspect.signature(constructor, eval_str=True).parameters.items():
        default = (usual or {}).get(name, parameter.default)
        if not isinstance(default, Value):
            raise TypeError(
                f"{constructor.__name__}'s {name} must have a number, a truth or a text as its "
                f"default; it has {default!r}."
            )
        kind, tip = said.get(name, ("", ""))
        choices = _literals(parameter.annotation) or tuple(re.findall(r'"([^"]*)"', kind))
        fields.append(Field(name, _typed(default, parameter.annotation), choices, tip))
    return Form(constructor.__name__, doc.split("\n\n")[0].replace("\n", " "), tuple(fields))


def _typed(default: Value, annotation: Any) -> Value:
    return float(default) if annotation is float else default


def _literals(annotation: Any) -> tuple[str, ...]:
    return tuple(map(str, get_args(annotation))) if get_origin(annotation) is Literal else ()


def _parameters(doc: str) -> dict[str, tuple[str, str]]:
    """Type and text of every parameter in a numpydoc docstring."""
    found = re.search(
        r"^Parameters\n-+\n(.*?)(?=\n\n\w[^\n]*\n--|\Z)", doc, re.DOTALL | re.MULTILINE
    )
    said: dict[str, tuple[str, str]] = {}
    names: list[str] = []
    for line in found[1].splitlines() if found else ():
        if line and not line.startswith(" "):
            heads, _, kind = line.partition(" : ")
            names = [name.strip() for name in heads.split(",")]
            said |= dict.fromkeys(names, (kind, ""))
        else:
            for name in names:
                kind, text = said[name]
                said[name] = kind, f"{text} {line.strip()}".strip().replace("`", "")
    return said
