"""What turns a function into a kernel: numba, where it is installed.

Without it the functions run as they stand: so they use nothing but numbers and arrays, and many parameters, since numba
hands arrays on fastest as they are. Kernels release the GIL, allocate little, and walk with explicit stacks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast
from zlib import crc32

from matrix_protocol.state_resolution import layout

_Function = TypeVar("_Function", bound=Callable[..., Any])

try:
    from numba import njit
except ImportError:
    IS_COMPILED = False
else:
    IS_COMPILED = True

_bytecode: list[object] = [sorted((name, value) for name, value in vars(layout).items() if name.isupper())]


def kernel(function: _Function) -> _Function:
    """A function that kernels call. It has no cache of its own: the compiled entry holds all."""
    code = function.__code__
    _bytecode.append((code.co_code, code.co_consts, code.co_names))
    compiled: Any = njit(nogil=True)(function) if IS_COMPILED else function
    return cast(_Function, compiled)


def entry(make: Callable[[int], _Function]) -> _Function:
    """The function that Python calls, made with a checksum of all kernels before it; numba keeps it on disk.

    Numba's cache asks whether this function changed, its closure included, and not whether those did that it calls.
    """
    function = make(crc32(repr(_bytecode).encode()))
    compiled: Any = njit(nogil=True, cache=True)(function) if IS_COMPILED else function
    return cast(_Function, compiled)
