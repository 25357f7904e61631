"""House rules that no linter knows: sizes, names at the root, packages, TODOs, nothing of one machine."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
GENERATED = "service_kit/rpc/pb/"

# Where a computer that built this kept its files, and names of package registries: a lock file or a comment that
# holds one works on that computer alone. The pieces are joined so that this file does not find itself.
_MACHINE = re.compile("|".join(["/" + "work/", "/" + "home/[a-z]", "/" + "Users/", "/" + "root/", "/" + "tmp/"]))
_REGISTRY = re.compile("|".join(["index" + r"-url", "pypi" + r"\.org", "files" + r"\.pythonhosted"]))


@cache
def tracked_files() -> list[Path]:
    """What git has, or would have after `git add .`."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [ROOT / line for line in sorted(set(listing.stdout.splitlines())) if (ROOT / line).is_file()]


def python_files() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".py" and GENERATED not in str(path)]


def named(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.fixture(autouse=True, scope="module")
def _a_git_tree() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git work tree")


def test_functions_fit_on_a_screen() -> None:
    too_long = [
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}: {lines} lines"
        for path in python_files()
        for function in functions(path)
        if (lines := (function.end_lineno or function.lineno) - function.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert too_long == []


def test_files_are_short() -> None:
    assert [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for path in python_files()
        if (lines := len(path.read_text("utf-8").splitlines())) > FILE_LINES_MAX
    ] == []


def test_nothing_at_the_root_hides_the_standard_library() -> None:
    at_root = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in tracked_files()}
    assert at_root & set(sys.stdlib_module_names) == set()


def test_every_folder_of_code_is_a_package() -> None:
    # tests/roomserver without tests/__init__.py would be imported as `roomserver` and hide the real one.
    folders = {path.parent for path in python_files() if path.parent != ROOT}
    folders |= {parent for folder in folders for parent in folder.parents if ROOT in parent.parents}
    assert named(sorted(folder for folder in folders if not (folder / "__init__.py").exists())) == []


def test_proto_is_not_a_package() -> None:
    # `import proto` would find ours instead of proto-plus, a dependency of many libraries.
    assert named([path for path in tracked_files() if path.parts[-2:] == ("proto", "__init__.py")]) == []


def test_every_todo_names_an_issue() -> None:
    word = "TO" + "DO"
    vague = re.compile(rf"\b{word}\b(?!\(#\d+\))")
    assert [
        f"{path.relative_to(ROOT)}:{number}"
        for path in python_files()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if vague.search(line)
    ] == []


def test_no_file_speaks_of_one_machine_or_registry() -> None:
    found = []
    for path in tracked_files():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        registry = _REGISTRY if path.name != "Makefile" else re.compile("pypi" + r"\.org")
        found += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
            for number, line in enumerate(text.splitlines(), 1)
            if _MACHINE.search(line) or registry.search(line)
        ]
    assert found == []


def test_test_folders_mirror_the_packages() -> None:
    known = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    others = {
        "cassandra",
        "cluster",
        "contracts",
        "deploy",
        "end_to_end",
        "factories",
        "fixtures",
        "fuzz",
        "loadtests",
        "simulation",
        "spec",
    }
    folders = {
        path.relative_to(ROOT).parts[1] for path in tracked_files() if path.relative_to(ROOT).parts[0] == "tests"
    }
    assert {folder for folder in folders if "." not in folder} - known - others == set()
