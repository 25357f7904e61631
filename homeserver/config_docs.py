"""The settings' own descriptions as a page, as an example file, and as a file for development."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, SecretStr
from pydantic.fields import FieldInfo

from service_kit.config import Settings

_PAGE_HEAD = """\
# Configuration

Made by `make docs` from the descriptions in `service_kit/config.py`: change those.

One YAML file, named by `--config FILE` or `PLEXUS_CONFIG`, and environment variables over it: `PLEXUS_` and the key in
capitals, sections joined by two underscores (`PLEXUS_RATE_LIMITS__ENABLED=false`); lists and buckets as JSON
(`PLEXUS_NATS__SERVERS='["nats://10.0.0.5:4222"]'`). Options of the command line win over both. A key that is not on
this page is refused.

`plexus config example` prints a file with every key at its default. `plexus config check --config FILE` reads a
configuration as the server would, and says what is wrong with it.
"""


def markdown() -> str:
    """docs/configuration.md."""
    top = {name: field for name, field in Settings.model_fields.items() if _section(field) is None}
    parts = [_PAGE_HEAD, "## Top level\n", *_table(top, prefix="")]
    for name, field in Settings.model_fields.items():
        section = _section(field)
        if section is not None:
            parts += ["", f"## `{name}`\n", f"{_about(section)}\n", *_table(section.model_fields, prefix=f"{name}.")]
    return "\n".join(parts) + "\n"


def example() -> str:
    """A configuration file with every key at its default."""
    lines = ["# Plexus configuration. Every key is here at its default: take out what you do not change.", ""]
    for name, field in Settings.model_fields.items():
        section = _section(field)
        if section is None:
            lines += [*_comment(field.description or "", ""), f"{name}: {_yaml(field.default)}", ""]
            continue
        lines += [*_comment(_about(section), ""), f"{name}:"]
        for key, inner in section.model_fields.items():
            lines += [*_comment(inner.description or "", "  "), f"  {key}: {_yaml(_default(inner, field, key))}"]
        lines.append("")
    return "\n".join(lines)


def development(data_dir: Path) -> str:
    """What `make run` starts with: everyone may register, on this machine only."""
    return "\n".join(
        [
            "# Made by `make run`, for trying things out on this machine: anyone who reaches the port may register.",
            "# For a real server begin with `plexus config example`.",
            "server_name: localhost",
            "listen: 127.0.0.1:8008",
            f"data_dir: {json.dumps(str(data_dir))}",
            "registration:",
            "  mode: open",
            "log:",
            "  level: info",
            "",
        ]
    )


def _section(field: FieldInfo) -> type[BaseModel] | None:
    annotation = field.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation.__name__.endswith("Settings"):
        return annotation
    return None


def _about(section: type[BaseModel]) -> str:
    return " ".join((section.__doc__ or "").split())


def _table(fields: dict[str, FieldInfo], prefix: str) -> Iterator[str]:
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in fields.items():
        default = f"`{_yaml(field.default)}`" if not field.is_required() else "required"
        yield f"| `{prefix}{name}` | {_type(field)} | {default} | {field.description} |"
        inner = _element(field)
        if inner is not None:
            yield from list(_table(inner.model_fields, prefix=f"{prefix}{name}[]."))[2:]


def _element(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a list's elements, if it is a list of models."""
    arguments = get_args(field.annotation)
    if get_origin(field.annotation) is list and isinstance(arguments[0], type) and issubclass(arguments[0], BaseModel):
        return arguments[0]
    return None


def _type(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) is dict:
        return "names and whole numbers"
    options = [option for option in get_args(annotation) if option is not type(None)] or [annotation]
    if get_origin(options[0]) is Annotated:
        options = [get_args(options[0])[0]]
    words = {
        str: "text",
        int: "whole number",
        float: "number",
        bool: "`true` or `false`",
        Path: "path",
        SecretStr: "secret",
        AwareDatetime: "time",
    }
    name = words.get(options[0], "per_second and burst" if options[0].__name__ == "RateLimit" else "section")
    name += _bounds(field)
    return f"list of {name}s" if get_origin(annotation) is list else name


def _bounds(field: FieldInfo) -> str:
    signs = (("ge", "at least"), ("gt", "more than"), ("le", "at most"))
    limits = [
        f"{words} {getattr(limit, sign)}" for limit in field.metadata for sign, words in signs if hasattr(limit, sign)
    ]
    return f", {', '.join(limits)}" if limits else ""


def _default(field: FieldInfo, section: FieldInfo, key: str) -> object:
    return getattr(section.default, key, field.default)


def _yaml(value: object) -> str:
    """On one line: JSON is YAML, and plain words need no quotes."""
    if isinstance(value, BaseModel):
        return "{" + ", ".join(f"{name}: {_yaml(inner)}" for name, inner in value) + "}"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, str) and value and value not in {"true", "false", "null"} and not value[0].isdigit():
        return value
    return json.dumps(value)


def _comment(text: str, indent: str) -> list[str]:
    lines, line = [], f"{indent}#"
    for word in text.split():
        if len(line) + len(word) > 110:
            lines.append(line)
            line = f"{indent}#"
        line += f" {word}"
    return [*lines, line]
