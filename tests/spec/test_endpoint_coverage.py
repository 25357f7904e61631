"""Which of the specification's endpoints there are. The README shows the table; to write it anew after a change:

python -m tests.spec.test_endpoint_coverage
"""

from __future__ import annotations

from pathlib import Path

import pytest

import api_gateway.endpoints
import sync_api.endpoints
from api_gateway.coverage import coverage, coverage_table, missing_endpoints, unspecified_endpoints
from service_kit.http.endpoint import Endpoint, collect
from tests.spec.openapi import operations

README = Path(__file__).parent.parent.parent / "README.md"
BEGIN, END = "<!-- coverage: begin -->\n", "<!-- coverage: end -->"


def declared() -> list[Endpoint]:
    return [*collect(api_gateway.endpoints), *collect(sync_api.endpoints)]


def with_table(readme: str) -> str:
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{coverage_table(declared())}\n{END}{after}"


def test_declared_endpoints_are_the_specifications() -> None:
    unknown = [f"{each.method} {each.path}" for each in unspecified_endpoints(declared())]
    assert [each for each in unknown if "/_matrix/" in each and "/unstable/" not in each] == []


def test_operations_are_named_as_in_the_specification() -> None:
    named = {(each.method, each.path): each.operation for each in declared()}
    specified = {key: operation.operation_id for key, operation in operations().items()}
    assert {key: name for key, name in named.items() if specified.get(key, name) != name} == {}


def test_every_endpoint_of_a_begun_file_is_there() -> None:
    begun = {row.module for row in coverage(declared()) if row.done}
    missing = [f"{row.module}: {row.method} {row.path}" for row in missing_endpoints(declared()) if row.module in begun]
    assert missing == NOT_YET


NOT_YET: list[str] = []
"""Of begun files: what answers 404 M_UNRECOGNIZED for now."""


def test_table_in_the_readme_is_what_there_is() -> None:
    if not README.exists() or BEGIN not in README.read_text("utf-8"):
        pytest.skip("the README has no coverage table")
    readme = README.read_text("utf-8")
    assert readme == with_table(readme), "run: python -m tests.spec.test_endpoint_coverage"


if __name__ == "__main__":
    if README.exists() and BEGIN in README.read_text("utf-8"):
        README.write_text(with_table(README.read_text("utf-8")), "utf-8")
    print(coverage_table(declared()))
