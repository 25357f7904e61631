"""The room versions that tests are parametrised over."""

from __future__ import annotations

import pytest

from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS

every_version = pytest.mark.parametrize("version", list(SPECIFIED_ROOM_VERSIONS))


def versions(first: int, last: int = 12) -> pytest.MarkDecorator:
    """Parametrise over the versions from `first` through `last`, as the specification's pages say."""
    return pytest.mark.parametrize("version", [str(number) for number in range(first, last + 1)])
