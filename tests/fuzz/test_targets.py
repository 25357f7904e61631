"""Every fuzz target, on its seeds, on everything that was ever found, and on some pseudo-random inputs."""

from __future__ import annotations

import pytest

from tests.fuzz.inputs import FOLDER, INPUT_BYTES_MAX, kept, pseudo_random
from tests.fuzz.targets import TARGETS, target

INPUTS = 200


@pytest.mark.parametrize("name", TARGETS)
def test_target_passes_what_is_kept(name: str) -> None:
    inputs = kept(name)
    assert inputs
    for data in inputs:
        assert len(data) <= INPUT_BYTES_MAX
        target(name)(data)


@pytest.mark.slow
@pytest.mark.timeout(600)  # where the kernels are not compiled yet
@pytest.mark.parametrize("name", TARGETS)
def test_target_passes_pseudo_random_inputs(name: str) -> None:
    for data in pseudo_random(name, INPUTS):
        target(name)(data)


def test_every_module_is_a_target() -> None:
    modules = {path.stem for path in (FOLDER / "targets").glob("*.py")} - {"__init__"}
    assert modules == set(TARGETS)
