import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.user_interactive_auth import (
    DUMMY,
    SESSION_LIFETIME_S,
    AuthData,
    InteractionRequired,
    UserInteractiveAuth,
    nothing_to_prove,
)
from service_kit.clock import ManualClock
from service_kit.hosted_servers import HostedServers
from tests.factories.users import signing_key_of

STAGES = {DUMMY: nothing_to_prove}


async def _session(interactive_auth: UserInteractiveAuth, purpose: str = "test") -> str:
    with pytest.raises(InteractionRequired) as required:
        await interactive_auth.demand(purpose, None, STAGES)
    session = required.value.extra["session"]
    assert isinstance(session, str)
    return session


async def test_a_session_expires() -> None:
    clock = ManualClock()
    interactive_auth = UserInteractiveAuth(b"key", clock)
    auth: AuthData = {"type": DUMMY, "session": await _session(interactive_auth)}
    await clock.advance(SESSION_LIFETIME_S)
    await interactive_auth.demand("test", auth, STAGES)
    await clock.advance(1)
    with pytest.raises(InteractionRequired):
        await interactive_auth.demand("test", auth, STAGES)


async def test_a_session_is_for_one_purpose_and_cluster() -> None:
    clock = ManualClock()
    interactive_auth = UserInteractiveAuth(b"key", clock)
    auth: AuthData = {"type": DUMMY, "session": await _session(interactive_auth)}
    with pytest.raises(InteractionRequired):
        await interactive_auth.demand("other", auth, STAGES)
    with pytest.raises(InteractionRequired):
        await UserInteractiveAuth(b"other key", clock).demand("test", auth, STAGES)


async def test_all_gateways_of_a_cluster_have_the_same_key() -> None:
    hosted = HostedServers("a.example", {"a.example": signing_key_of("a.example")})
    clock = ManualClock()
    session = await _session(UserInteractiveAuth.of_cluster(hosted, clock))
    auth: AuthData = {"type": DUMMY, "session": session}
    await UserInteractiveAuth.of_cluster(hosted, clock).demand("test", auth, STAGES)


async def test_a_session_alone_passes_no_stage() -> None:
    interactive_auth = UserInteractiveAuth(b"key", ManualClock())
    session = await _session(interactive_auth)
    for auth in ({}, {"session": session}):
        with pytest.raises(InteractionRequired) as required:
            await interactive_auth.demand("test", auth, STAGES)
        assert "errcode" not in required.value.body()
        assert required.value.extra["session"] == session


@given(
    st.dictionaries(st.sampled_from(["type", "session"]), st.none() | st.text() | st.integers() | st.lists(st.text()))
)
async def test_whatever_a_client_sends_only_the_stage_lets_it_through(auth: AuthData) -> None:
    interactive_auth = UserInteractiveAuth(b"key", ManualClock())
    try:
        await interactive_auth.demand("test", auth, STAGES)
    except InteractionRequired:
        return
    assert auth["type"] == DUMMY
    assert auth.get("session") is None
