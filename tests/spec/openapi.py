"""Requests and answers against the OpenAPI files of the specification."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from jsonschema import Draft202012Validator, validators  # type: ignore[import-untyped]
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

DATA = Path(__file__).parent / "data"
ROOT = "https://spec.invalid/"
ANYWHERE = {"M_MISSING_TOKEN", "M_UNKNOWN_TOKEN"}
"""Errors of every operation that needs an access token, even where its file knows another answer of this status."""
METHODS = ("get", "put", "post", "delete")


# The specification writes "content or event" as oneOf, and an event is an object as any content is: both always match.
_Validator = validators.extend(Draft202012Validator, {"oneOf": Draft202012Validator.VALIDATORS["anyOf"]})


class SpecificationError(AssertionError):
    """A request or an answer is not as the specification says."""


def _retrieve(uri: str) -> Resource[Any]:
    return DRAFT202012.create_resource(_load(uri.removeprefix(ROOT)))


@cache
def _load(name: str) -> Any:
    return yaml.load((DATA / name).read_text("utf-8"), Loader=yaml.CSafeLoader)


_REGISTRY: Registry[Any] = Registry(retrieve=_retrieve)  # type: ignore[call-arg]


class Operation:
    """One operation of one file, with a validator for each body it mentions."""

    def __init__(self, file_name: str, pointer: str, definition: dict[str, Any]) -> None:
        self.operation_id: str = definition["operationId"]
        self.module = Path(file_name).stem
        """The file's name."""
        self._file_name = file_name
        self._pointer = pointer
        self._definition = definition
        resolved = [self._resolved(each, "")[0] for each in definition.get("parameters", ())]
        self.query_parameters = [each for each in resolved if each["in"] == "query"]

    def check_request(self, body: object) -> None:
        """Raises SpecificationError."""
        if "requestBody" in self._definition:
            part, pointer = self._resolved(self._definition["requestBody"], "/requestBody")
            self._check(pointer, part, body, "request")

    def request_schema(self) -> dict[str, Any]:
        """Of the JSON body, with `allOf` merged one level deep; {} if there is none."""
        part, _ = self._resolved(self._definition.get("requestBody", {}), "/requestBody")
        schema = part.get("content", {}).get("application/json", {}).get("schema", {})
        merged: dict[str, Any] = {"required": [], "properties": {}}
        for each in [schema, *schema.get("allOf", ())]:
            merged["required"] += each.get("required", [])
            merged["properties"] |= each.get("properties", {})
        return merged

    def check_query(self, query: Mapping[str, str]) -> None:
        """Raises SpecificationError if a parameter is missing or not of its type; others than its own may be there."""
        for parameter in self.query_parameters:
            name, schema = parameter["name"], parameter.get("schema", {})
            if name not in query:
                if parameter.get("required"):
                    raise SpecificationError(f"the query parameter {name} is required")
            elif schema.get("type") in _READERS and query[name] != "null":  # see `query_decoder`
                _check_parameter(name, schema, query[name])

    def has_answer(self, status: int) -> bool:
        return status in {int(code) for code in self._definition["responses"]}

    def check_answer(self, status: int, body: object) -> None:
        """Raises SpecificationError, also for a success that the file does not mention."""
        answers = {str(code): answer for code, answer in self._definition["responses"].items()}
        if str(status) in answers and _members(body).get("errcode") not in ANYWHERE:
            answer, pointer = self._resolved(answers[str(status)], f"/responses/{status}")
            self._check(pointer, answer, body, f"answer {status}")
        elif status < 400:
            raise SpecificationError(f"there is no answer {status}, only {', '.join(sorted(answers))}")
        if status >= 400 and not (status == 401 and "flows" in _members(body)):
            _check_error(body)

    def _resolved(self, part: dict[str, Any], pointer: str) -> tuple[dict[str, Any], str]:
        """What a reference to another part of the same file leads to, and its pointer."""
        reference = part.get("$ref", "")
        if not reference.startswith("#"):
            return part, self._pointer + pointer
        target = _load(self._file_name)
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
        return target, reference.removeprefix("#")

    def _check(self, pointer: str, part: dict[str, Any], body: object, what: str) -> None:
        if "schema" not in part.get("content", {}).get("application/json", {}):
            return
        errors = sorted(self._validator(f"{pointer}/content/application~1json/schema").iter_errors(body), key=str)
        if errors:
            where = "/".join(map(str, errors[0].absolute_path))
            raise SpecificationError(f"{what}, at /{where}: {errors[0].message[:500]}")

    def _validator(self, pointer: str) -> Any:
        return _validator(f"{ROOT}{self._file_name}#{pointer}")


@cache
def _validator(reference: str) -> Any:
    return _Validator({"$ref": reference}, registry=_REGISTRY)


def _members(body: object) -> dict[str, Any]:
    return body if isinstance(body, dict) else {}


def _check_error(body: object) -> None:
    """ "the keys `error` and `errcode` MUST always be present" """
    members = _members(body)
    if not isinstance(members.get("errcode"), str) or not isinstance(members.get("error"), str):
        raise SpecificationError("the error is no standard error response")


_READERS: dict[str, Callable[[str], object]] = {
    "string": str,
    "integer": int,
    "boolean": {"true": True, "false": False}.__getitem__,
}


def _check_parameter(name: str, schema: dict[str, Any], text: str) -> None:
    try:
        value = _READERS[schema["type"]](text)
    except (KeyError, ValueError):
        raise SpecificationError(f"the query parameter {name} is no {schema['type']}: {text[:100]!r}") from None
    if value not in schema.get("enum", [value]):
        raise SpecificationError(f"the query parameter {name} may not be {text[:100]!r}")


@cache
def operations() -> dict[tuple[str, str], Operation]:
    """By method and full path, as declared endpoints have them."""
    found: dict[tuple[str, str], Operation] = {}
    for path in sorted((DATA / "api/client-server").glob("*.yaml")):
        name = f"api/client-server/{path.name}"
        document = _load(name)
        base_path = document["servers"][0]["variables"].get("basePath", {}).get("default", "")
        for template, item in document.get("paths", {}).items():
            for method in METHODS:
                if method in item:
                    pointer = quote("/paths/" + template.replace("~", "~0").replace("/", "~1") + "/" + method)
                    key = (method.upper(), base_path + template.strip())
                    found.setdefault(key, Operation(name, pointer, item[method]))
    return found
