import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.user_interactive_auth import (
    DUMMY,
    SESSION_LIFETIME_S,
    TERMS,
    AuthData,
    Demand,
    InteractionRequired,
    Passed,
    StageFailed,
    UserInteractiveAuth,
    nothing_to_prove,
)
from service_kit.clock import ManualClock
from service_kit.hosted_servers import HostedServers
from tests.factories.users import signing_key_of

SECRET = "org.example.secret"


class Kept:
    """The stages that were passed, in memory."""

    def __init__(self) -> None:
        self.sessions: dict[str, Passed] = {}

    async def get(self, session: str) -> Passed:
        return dict(self.sessions.get(session, {}))

    async def add(self, session: str, stage: str, detail: object) -> Passed:
        self.sessions.setdefault(session, {}).setdefault(stage, detail)
        return dict(self.sessions[session])

    async def end(self, session: str) -> Passed:
        return self.sessions.pop(session, {})


def of_gateway(key: bytes = b"key", clock: ManualClock | None = None, kept: Kept | None = None) -> UserInteractiveAuth:
    return UserInteractiveAuth(key, clock or ManualClock(), kept or Kept())


def demand(purpose: str = "test") -> Demand:
    return Demand.one_of(purpose, {DUMMY: nothing_to_prove})


async def check_secret(auth: AuthData) -> object:
    if auth.get("secret") != "sesame":
        raise StageFailed("M_FORBIDDEN", "wrong")
    return {"knows": "sesame"}


LONG = Demand(
    "test",
    {SECRET: check_secret, TERMS: nothing_to_prove, DUMMY: nothing_to_prove},
    [[SECRET, TERMS], [SECRET, DUMMY]],
    {TERMS: {"policies": {}}},
)


async def _session(interactive_auth: UserInteractiveAuth, purpose: str = "test") -> str:
    with pytest.raises(InteractionRequired) as required:
        await interactive_auth.demand(demand(purpose), None)
    session = required.value.extra["session"]
    assert isinstance(session, str)
    return session


async def test_a_session_expires() -> None:
    clock = ManualClock()
    interactive_auth = of_gateway(clock=clock)
    auth: AuthData = {"type": DUMMY, "session": await _session(interactive_auth)}
    await clock.advance(SESSION_LIFETIME_S)
    await interactive_auth.demand(demand(), auth)
    await clock.advance(1)
    with pytest.raises(InteractionRequired):
        await interactive_auth.demand(demand(), auth)


async def test_a_session_is_for_one_purpose_and_cluster() -> None:
    clock = ManualClock()
    interactive_auth = of_gateway(clock=clock)
    auth: AuthData = {"type": DUMMY, "session": await _session(interactive_auth)}
    with pytest.raises(InteractionRequired):
        await interactive_auth.demand(demand("other"), auth)
    with pytest.raises(InteractionRequired):
        await of_gateway(b"other key", clock).demand(demand(), auth)


async def test_all_gateways_of_a_cluster_have_the_same_key() -> None:
    hosted = HostedServers("a.example", {"a.example": signing_key_of("a.example")})
    clock = ManualClock()
    session = await _session(UserInteractiveAuth.of_cluster(hosted, clock, Kept()))
    auth: AuthData = {"type": DUMMY, "session": session}
    await UserInteractiveAuth.of_cluster(hosted, clock, Kept()).demand(demand(), auth)


async def test_a_session_alone_passes_no_stage() -> None:
    interactive_auth = of_gateway()
    session = await _session(interactive_auth)
    for auth in ({}, {"session": session}):
        with pytest.raises(InteractionRequired) as required:
            await interactive_auth.demand(demand(), auth)
        assert "errcode" not in required.value.body()
        assert (required.value.extra["session"] == session) == bool(auth)


@given(
    st.dictionaries(st.sampled_from(["type", "session"]), st.none() | st.text() | st.integers() | st.lists(st.text()))
)
async def test_whatever_a_client_sends_only_the_stage_lets_it_through(auth: AuthData) -> None:
    interactive_auth = of_gateway()
    try:
        await interactive_auth.demand(demand(), auth)
    except InteractionRequired:
        return
    assert auth["type"] == DUMMY
    assert auth.get("session") is None


async def test_stages_of_a_flow_are_passed_one_after_the_other_at_any_gateway() -> None:
    clock, kept = ManualClock(), Kept()
    gateways = [of_gateway(clock=clock, kept=kept) for _ in range(2)]
    with pytest.raises(InteractionRequired) as required:
        await gateways[0].demand(LONG, None)
    assert required.value.extra["flows"] == [{"stages": [SECRET, TERMS]}, {"stages": [SECRET, DUMMY]}]
    assert required.value.extra["params"] == {TERMS: {"policies": {}}}
    session = required.value.extra["session"]
    for auth, errcode, completed in (
        ({"type": TERMS}, "M_FORBIDDEN", []),
        ({"type": SECRET, "secret": "wrong"}, "M_FORBIDDEN", []),
        ({"type": SECRET, "secret": "sesame"}, "", [SECRET]),
        ({"type": SECRET, "secret": "wrong"}, "", [SECRET]),
        ({}, "", [SECRET]),
    ):
        with pytest.raises(InteractionRequired) as required:
            await gateways[1].demand(LONG, {**auth, "session": session})
        assert (required.value.errcode, required.value.extra["completed"]) == (errcode, completed)
        assert required.value.extra["session"] == session
    passed = await gateways[0].demand(LONG, {"type": TERMS, "session": session})
    assert passed == {SECRET: {"knows": "sesame"}, TERMS: None}


async def test_what_was_passed_is_good_once() -> None:
    kept = Kept()
    interactive_auth = of_gateway(kept=kept)
    session = await _session(interactive_auth)
    kept.sessions[session] = {SECRET: None, DUMMY: None}
    assert await interactive_auth.demand(LONG, {"session": session}) == {SECRET: None, DUMMY: None}
    with pytest.raises(InteractionRequired) as required:
        await interactive_auth.demand(LONG, {"session": session})
    assert required.value.extra["completed"] == []


async def test_a_stage_without_session_begins_one() -> None:
    interactive_auth = of_gateway()
    with pytest.raises(InteractionRequired) as required:
        await interactive_auth.demand(LONG, {"type": SECRET, "secret": "sesame"})
    assert required.value.extra["completed"] == [SECRET]
    await interactive_auth.demand(LONG, {"type": DUMMY, "session": required.value.extra["session"]})


async def test_two_who_begin_in_the_same_second_have_sessions_of_their_own() -> None:
    interactive_auth = of_gateway()
    assert await _session(interactive_auth) != await _session(interactive_auth)
