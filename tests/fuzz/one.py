"""One target under atheris: `python -m tests.fuzz.one <target> <corpus folder> -<libFuzzer flag>=…`."""

from __future__ import annotations

import sys

import atheris

# numba compiles the kernels from their bytecode, so that must stay as it is.
COMPILED = ["matrix_protocol.state_resolution.kernels"]


def main() -> None:
    name, *arguments = sys.argv[1:]
    with atheris.instrument_imports(include=["matrix_protocol"], exclude=COMPILED):
        from tests.fuzz.targets import target

        fuzz_one = target(name)
    atheris.Setup([sys.argv[0], *arguments], fuzz_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
