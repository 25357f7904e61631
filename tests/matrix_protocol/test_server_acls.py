"""Which servers an access control list lets in."""

from __future__ import annotations

from typing import Any

import pytest

from matrix_protocol.server_acls import ServerAcl


@pytest.mark.parametrize(
    ("content", "server_name", "allowed"),
    [
        ({"allow": ["*"]}, "a.example", True),
        ({"allow": ["*"], "deny": ["*.evil.example"]}, "a.evil.example", False),
        ({"allow": ["*"], "deny": ["*.evil.example"]}, "evil.example", True),
        ({"allow": ["*"], "deny": ["evil.example"]}, "evil.example:8448", False),
        ({"allow": ["*"], "deny": ["EVIL.example"]}, "evil.EXAMPLE:1", False),
        ({"allow": ["good?.example"]}, "good1.example", True),
        ({"allow": ["good?.example"]}, "good.example", False),
        ({"allow": ["good1.example"]}, "good1xexample", False),
        ({"allow": ["a.example"], "deny": ["a.example"]}, "a.example", False),
        ({"allow": ["*"], "allow_ip_literals": False}, "10.0.0.1", False),
        ({"allow": ["*"], "allow_ip_literals": False}, "10.0.0.1:8448", False),
        ({"allow": ["*"], "allow_ip_literals": False}, "[2001:db8::1]", False),
        ({"allow": ["*"], "allow_ip_literals": False}, "[2001:db8::1]:8448", False),
        ({"allow": ["*"], "allow_ip_literals": False}, "10.example", True),
        ({"allow": ["*"], "allow_ip_literals": "false"}, "10.0.0.1", True),
        ({"allow": ["*"]}, "[2001:db8::1]", True),
        ({"allow": ["*"], "deny": ["[2001:db8::1]"]}, "[2001:DB8::1]:8448", False),
        ({"allow": ["*" * 70_000]}, "a.example", True),
        ({"allow": ["?" * 300 + "*"]}, "a.example", False),
    ],
)
def test_list_decides_in_the_order_of_the_specification(
    content: dict[str, Any], server_name: str, allowed: bool
) -> None:
    assert ServerAcl(content).allows(server_name) is allowed


@pytest.mark.parametrize("content", [{}, {"allow": []}, {"allow": "*"}, {"allow": [1, None]}, {"deny": []}])
def test_nobody_is_allowed_without_a_list_of_the_allowed(content: dict[str, Any]) -> None:
    assert not ServerAcl(content).allows("a.example")


@pytest.mark.parametrize("deny", [None, "*", {"*": 1}, [None, 7, ["*"]]])
def test_malformed_denials_deny_nobody(deny: object) -> None:
    assert ServerAcl({"allow": ["*"], "deny": deny}).allows("a.example")
