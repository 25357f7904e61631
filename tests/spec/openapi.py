"""Requests and answers against the OpenAPI files of the specification."""

from __future__ import annotations

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
        self._base = f"{ROOT}{file_name}#{pointer}"
        self._definition = definition

    def check_request(self, body: object) -> None:
        """Raises SpecificationError."""
        if "requestBody" in self._definition:
            self._check("/requestBody", self._definition["requestBody"], body, "request")

    def check_answer(self, status: int, body: object) -> None:
        """Raises SpecificationError, also for a success that the file does not mention."""
        answers = {str(code): answer for code, answer in self._definition["responses"].items()}
        if str(status) in answers:
            self._check(f"/responses/{status}", answers[str(status)], body, f"answer {status}")
        elif status < 400:
            raise SpecificationError(f"{self.operation_id} has no answer {status}")
        if status >= 400 and not (status == 401 and "flows" in _members(body)):
            _check_error(self.operation_id, body)

    def _check(self, pointer: str, part: dict[str, Any], body: object, what: str) -> None:
        if "schema" not in part.get("content", {}).get("application/json", {}):
            return
        errors = sorted(self._validator(f"{pointer}/content/application~1json/schema").iter_errors(body), key=str)
        if errors:
            where = "/".join(map(str, errors[0].absolute_path))
            raise SpecificationError(f"{self.operation_id}, {what}, at /{where}: {errors[0].message}")

    def _validator(self, pointer: str) -> Any:
        return _validator(self._base + pointer)


@cache
def _validator(reference: str) -> Any:
    return _Validator({"$ref": reference}, registry=_REGISTRY)


def _members(body: object) -> dict[str, Any]:
    return body if isinstance(body, dict) else {}


def _check_error(operation_id: str, body: object) -> None:
    """ "the keys `error` and `errcode` MUST always be present" """
    members = _members(body)
    if not isinstance(members.get("errcode"), str) or not isinstance(members.get("error"), str):
        raise SpecificationError(f"{operation_id} answered with an error that is no standard error response: {body}")


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
