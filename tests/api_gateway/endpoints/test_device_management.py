from tests.api_gateway.account_gateway import AccountGateway, password_auth


async def test_devices_are_seen_and_named(gateway: AccountGateway) -> None:
    session = await gateway.register(device_id="PHONE")
    assert (await gateway.put("devices/PHONE", {"display_name": "Phone"}, token=session.token)).body == {}
    answer = await gateway.get("devices/PHONE", token=session.token)
    assert (answer.body["device_id"], answer.body["display_name"]) == ("PHONE", "Phone")
    for answer in (
        await gateway.get("devices/OTHER", token=session.token),
        await gateway.put("devices/OTHER", {"display_name": "x"}, token=session.token),
    ):
        assert (answer.status, answer.body["errcode"]) == (404, "M_NOT_FOUND")
    answer = await gateway.put("devices/PHONE", {"display_name": "x" * 1000}, token=session.token)
    assert answer.body["errcode"] == "M_INVALID_PARAM"


async def test_devices_tell_when_and_where_they_were_last_seen(gateway: AccountGateway) -> None:
    clock = gateway.cluster.clock
    session = await gateway.register(device_id="PHONE")
    first = (await gateway.get("devices/PHONE", token=session.token)).body
    assert (first["last_seen_ts"], first["last_seen_ip"]) == (clock.now_ms(), "192.0.2.1")
    await clock.advance(200)
    await gateway.put("devices/PHONE", {"display_name": "Phone"}, token=session.token)
    again = (await gateway.get("devices/PHONE", token=session.token)).body
    assert again == first | {"display_name": "Phone"}, "it may be a few minutes out of date"
    await clock.advance(200)
    later = (await gateway.get("devices", token=session.token)).body["devices"]
    assert later == [again | {"last_seen_ts": clock.now_ms()}]


async def test_removing_a_device_takes_the_password(gateway: AccountGateway) -> None:
    session = await gateway.register()
    other = (await gateway.login(device_id="LOST")).body["access_token"]
    answer = await gateway.delete("devices/LOST", token=session.token)
    assert answer.status == 401
    assert answer.body["flows"] == [{"stages": ["m.login.password"]}]
    uia_session = answer.body["session"]
    wrong = {"auth": password_auth("alice", "wrong", uia_session)}
    answer = await gateway.delete("devices/LOST", wrong, token=session.token)
    assert (answer.status, answer.body["errcode"], answer.body["session"]) == (401, "M_FORBIDDEN", uia_session)
    assert answer.body["flows"] == [{"stages": ["m.login.password"]}]
    right = {"auth": password_auth("alice", session=uia_session)}
    assert (await gateway.delete("devices/LOST", right, token=session.token)).body == {}
    assert (await gateway.get("account/whoami", token=other)).status == 401
    again = {"auth": password_auth("alice")}
    assert (await gateway.delete("devices/LOST", again, token=session.token)).status == 200


async def test_another_users_password_does_not_count(gateway: AccountGateway) -> None:
    await gateway.register("bob", "password of bob")
    session = await gateway.register()
    body = {"devices": ["X"], "auth": password_auth("bob", "password of bob")}
    assert (await gateway.post("delete_devices", body, token=session.token)).body["errcode"] == "M_FORBIDDEN"


async def test_a_session_serves_one_purpose_and_user(gateway: AccountGateway) -> None:
    alice, bob = await gateway.register(), await gateway.register("bob")
    session = (await gateway.delete("devices/A", token=alice.token)).body["session"]
    for path, token in (("devices/B", alice.token), ("devices/A", bob.token)):
        auth = {"type": "m.login.password", "password": "correct horse", "session": session}
        assert (await gateway.delete(path, {"auth": auth}, token=token)).status == 401


async def test_many_devices_are_removed_at_once(gateway: AccountGateway) -> None:
    session = await gateway.register(device_id="KEPT")
    for number in range(3):
        await gateway.login(device_id=f"D{number}")
    body = {"devices": ["D0", "D2", "unknown"], "auth": password_auth("@alice:a.example")}
    assert (await gateway.post("delete_devices", body, token=session.token)).body == {}
    devices = (await gateway.get("devices", token=session.token)).body["devices"]
    assert [device["device_id"] for device in devices] == ["D1", "KEPT"]
