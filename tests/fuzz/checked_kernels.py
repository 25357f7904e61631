"""The kernels as plain functions over arrays that know their bounds: they refuse what compiled code would read past."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

_KERNELS = "matrix_protocol.state_resolution.kernels"


class Checked(np.ndarray):
    """An array without negative indices: to numba, -1 is the last row of an array, used or not."""

    def __getitem__(self, index: Any) -> Any:
        self._check(index)
        return super().__getitem__(index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._check(index)
        super().__setitem__(index, value)

    def _check(self, index: Any) -> None:
        for part, length in zip(index if isinstance(index, tuple) else (index,), self.shape, strict=False):
            if not isinstance(part, slice | str) and not 0 <= part < length:
                raise IndexError(f"{part} of {length}")


def uncompiled_resolve() -> Callable[..., int]:
    """`kernels.resolve` as it is where there is no numba; the modules that are loaded stay as they are."""
    names = ("numba", *[name for name in sys.modules if name.startswith(_KERNELS)])
    kept = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    package = sys.modules["matrix_protocol.state_resolution"]
    attribute = getattr(package, "kernels", None)
    sys.modules["numba"] = None  # type: ignore[assignment]
    try:
        kernels = importlib.import_module(_KERNELS)
    finally:
        for name in [name for name in sys.modules if name.startswith(_KERNELS)]:
            del sys.modules[name]
        del sys.modules["numba"]
        sys.modules.update(kept)
        if attribute is None:  # nobody has imported the compiled ones yet
            del package.kernels  # type: ignore[attr-defined]
        else:
            package.kernels = attribute  # type: ignore[attr-defined]
    assert not kernels.IS_COMPILED
    resolve: Callable[..., int] = kernels.resolve
    return resolve


def checked(resolve: Callable[..., int], used: dict[int, int]) -> Callable[..., int]:
    """`used`: place of an argument -> how many of its rows are used; what lies behind was never written."""

    def run(*arrays: Any) -> int:
        bounded = [array[: used.get(place, len(array))].view(Checked) for place, array in enumerate(arrays)]
        return resolve(*bounded)

    return run
