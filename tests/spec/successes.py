"""How to ask each operation so that it succeeds. No row is needed where `Scene` and an empty body are enough.

To add an operation: a row under the file of the specification that it is in, in alphabetical order of the files.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

from service_kit.account_settings import SupportSettings, TurnSettings
from service_kit.config import PresenceSettings, RegistrationSettings
from service_kit.email_settings import EmailSettings
from service_kit.third_party_ids import SUBMIT_TOKEN_PATH, ValidationCodes
from tests.in_process import PASSWORD
from tests.spec.scene import Row, Scene

SEARCH = {
    "search_term": "hello",
    "event_context": {"include_profile": True},
    "include_state": True,
    "groupings": {"group_by": [{"key": "room_id"}]},
}
BOB, CAROL = "@bob:example.org", "@carol:example.org"


async def _alice(scene: Scene) -> None:
    scene.alice = await scene.server.register("alice")


async def _everybody(scene: Scene) -> None:
    await scene.set_up()


async def _account_data(scene: Scene) -> None:
    await scene.alice.put(scene.filled("/user/{userId}/account_data/{type}"), {"a": 1}, expect=200)
    await scene.alice.put(scene.filled("/user/{userId}/rooms/{roomId}/account_data/{type}"), {"a": 1}, expect=200)


async def _alices_password(scene: Scene) -> None:
    scene.body["auth"] = scene.auth()


async def _banned_bob(scene: Scene) -> None:
    await scene.alice.post(scene.filled("/rooms/{roomId}/ban"), {"user_id": BOB}, expect=200)


async def _another_device(scene: Scene) -> None:
    scene.path["deviceId"] = (await scene.server.log_in("alice")).device_id
    scene.body["auth"] = scene.auth()


async def _several_devices(scene: Scene) -> None:
    scene.body |= {"devices": [(await scene.server.log_in("alice")).device_id], "auth": scene.auth()}


async def _filter(scene: Scene) -> None:
    answer = await scene.alice.post(scene.filled("/user/{userId}/filter"), {}, expect=200)
    scene.path["filterId"] = answer.json["filter_id"]


async def _alias(scene: Scene) -> None:
    body = {"room_id": scene.room_id}
    await scene.alice.put(scene.filled("/directory/room/{roomAlias}"), body, expect=200)


async def _indexed(scene: Scene) -> None:
    await scene.server.clock.advance(0.5)


async def _room(scene: Scene) -> None:
    scene.body["room_id"] = scene.room_id


async def _knockable(scene: Scene) -> None:
    await scene.alice.put(scene.filled("/rooms/{roomId}/state/m.room.join_rules"), {"join_rule": "knock"}, expect=200)


async def _published(scene: Scene) -> None:
    await scene.alice.put(scene.filled("/directory/list/room/{roomId}"), {"visibility": "public"}, expect=200)


async def _left(scene: Scene) -> None:
    await scene.alice.post(scene.filled("/rooms/{roomId}/leave"), expect=200)


async def _refresh_token(scene: Scene) -> None:
    body = {"type": "m.login.password", "password": PASSWORD, "refresh_token": True}
    answer = await scene.nobody.post("/login", body | {"identifier": scene.auth()["identifier"]}, expect=200)
    scene.body["refresh_token"] = answer.json["refresh_token"]


async def _an_event(scene: Scene) -> None:
    scene.body["m.fully_read"] = scene.path["eventId"]


async def _displayname(scene: Scene) -> None:
    await scene.alice.put(scene.filled("/profile/{userId}/displayname"), {"displayname": "Alice"}, expect=200)


async def _push_rule(scene: Scene) -> None:
    await scene.alice.put(scene.filled("/pushrules/global/{kind}/{ruleId}"), {"actions": ["notify"]}, expect=200)


async def _proven(scene: Scene) -> None:
    """alice has proven that an address is hers, to add it to her account."""
    await _alice(scene)
    asked = {"client_secret": "secret", "email": "alice@example.org", "send_attempt": 1}
    sid = (await scene.nobody.post("/account/3pid/email/requestToken", asked, expect=200)).json["sid"]
    codes = ValidationCodes.of_cluster(scene.server.hosted_servers)
    link = {"sid": sid, "client_secret": "secret", "token": codes.token(sid, scene.server.clock.now_ms())}
    await scene.nobody.post(SUBMIT_TOKEN_PATH, link, expect=200)
    scene.body |= {"sid": sid, "client_secret": "secret", "auth": scene.auth()}


async def _proven_for_the_old_way(scene: Scene) -> None:
    await _proven(scene)
    credentials = {"sid": scene.body["sid"], "client_secret": "secret", "id_server": "x", "id_access_token": "x"}
    scene.body = {"three_pid_creds": credentials, "auth": scene.auth()}


NO_MAIL_SERVER_THERE = {"smtp_host": "127.0.0.1", "smtp_port": 9, "from_address": "plexus@example.org"}
WITH_EMAIL = {
    "registration": RegistrationSettings(mode="open", email="optional"),
    "email": EmailSettings.model_validate(NO_MAIL_SERVER_THERE),
}
EMAIL_TOKEN = Row(
    {"client_secret": "secret", "email": "alice@example.org", "send_attempt": 1}, caller="nobody", settings=WITH_EMAIL
)
PHONE_TOKEN = Row(
    {"client_secret": "secret", "country": "DE", "phone_number": "01234567", "send_attempt": 1}, never_succeeds=True
)
THIRD_PARTY_ID = {"medium": "email", "address": "alice@example.org"}
WITH_PRESENCE = {"presence": PresenceSettings()}
WITH_TOKENS = {"registration": RegistrationSettings(mode="token", tokens=[SecretStr("sesame")])}
WITH_SUPPORT = {"support": SupportSettings(page="https://example.org/help")}
WITH_TURN = {"turn": TurnSettings(uris=["turn:turn.example.org"], shared_secret=SecretStr("sesame"))}
LOGIN = {
    "type": "m.login.password",
    "identifier": {"type": "m.id.user", "user": "alice"},
    "password": PASSWORD,
}

ROWS: Mapping[str, Row] = {
    # account-data
    "getAccountData": Row(prepare=_account_data),
    "getAccountDataPerRoom": Row(prepare=_account_data),
    # account_deactivation
    "deactivateAccount": Row(prepare=_alices_password),
    # admin
    "getAdminLockUser": Row(caller="root"),
    "getAdminSuspendUser": Row(caller="root"),
    "setAdminLockUser": Row({"locked": True}, caller="root"),
    "setAdminSuspendUser": Row({"suspended": True}, caller="root"),
    # administrative_contact
    "add3PID": Row(prepare=_proven, settings=WITH_EMAIL),
    "bind3PID": Row(
        {"client_secret": "secret", "sid": "x", "id_server": "x", "id_access_token": "x"}, never_succeeds=True
    ),
    "delete3pidFromAccount": Row(THIRD_PARTY_ID),
    "post3PIDs": Row(prepare=_proven_for_the_old_way, settings=WITH_EMAIL),
    "requestTokenTo3PIDEmail": EMAIL_TOKEN,
    "requestTokenTo3PIDMSISDN": PHONE_TOKEN,
    "unbind3pidFromAccount": Row(THIRD_PARTY_ID),
    # banning
    "ban": Row({"user_id": BOB}),
    "unban": Row({"user_id": BOB}, prepare=_banned_bob),
    # device_management
    "deleteDevice": Row(prepare=_another_device),
    "deleteDevices": Row(prepare=_several_devices),
    "updateDevice": Row({"display_name": "phone"}),
    # directory
    "deleteRoomAlias": Row(prepare=_alias),
    "getRoomIdByAlias": Row(prepare=_alias),
    "setRoomAlias": Row(prepare=_room),
    # filter
    "defineFilter": Row({"room": {"timeline": {"limit": 10}}}),
    "getFilter": Row(prepare=_filter),
    # inviting
    "inviteUser": Row({"user_id": CAROL}),
    # joining
    "joinRoom": Row(caller="carol"),
    "joinRoomById": Row(caller="carol"),
    # kicking
    "kick": Row({"user_id": BOB}),
    # knocking
    "knockRoom": Row(caller="carol", prepare=_knockable),
    # leaving
    "forgetRoom": Row(prepare=_left),
    # list_public_rooms
    "getPublicRooms": Row(prepare=_published),
    "queryPublicRooms": Row({"filter": {"generic_search_term": "attic"}}, prepare=_published),
    # login
    "login": Row(LOGIN, caller="nobody"),
    # login_token
    "generateLoginToken": Row(prepare=_alices_password),
    # message_pagination
    "getRoomEvents": Row(query={"dir": "b"}),
    # mutual_rooms
    "getMutualRooms": Row(query={"user_id": BOB}),
    # password_management
    "changePassword": Row({"new_password": "another one"}, prepare=_alices_password),
    "requestTokenToResetPasswordEmail": EMAIL_TOKEN,
    "requestTokenToResetPasswordMSISDN": PHONE_TOKEN,
    # presence
    "getPresence": Row(settings=WITH_PRESENCE, prepare=_everybody),
    "setPresence": Row({"presence": "online", "status_msg": "here"}, settings=WITH_PRESENCE, prepare=_everybody),
    # profile
    "deleteProfileField": Row(prepare=_displayname),
    "getProfileField": Row(prepare=_displayname),
    "getUserProfile": Row(prepare=_displayname),
    "setProfileField": Row({"displayname": "Alice"}),
    # pushrules
    "deletePushRule": Row(path={"ruleId": "mine"}, prepare=_push_rule),
    "setPushRule": Row({"actions": ["notify"]}, path={"ruleId": "mine"}),
    "setPushRuleActions": Row({"actions": []}),
    "setPushRuleEnabled": Row({"enabled": True}),
    # read_markers
    "setReadMarker": Row(prepare=_an_event),
    # refresh
    "refresh": Row(caller="nobody", prepare=_refresh_token),
    # registration
    "checkUsernameAvailability": Row(query={"username": "dave"}, caller="nobody"),
    "register": Row({"username": "dave", "password": PASSWORD, "auth": {"type": "m.login.dummy"}}, caller="nobody"),
    "requestTokenToRegisterEmail": EMAIL_TOKEN,
    "requestTokenToRegisterMSISDN": PHONE_TOKEN,
    # registration_tokens
    "registrationTokenValidity": Row(query={"token": "sesame"}, caller="nobody", settings=WITH_TOKENS),
    # room_event_by_timestamp
    "getEventByTimestamp": Row(query={"ts": "0", "dir": "f"}),
    # report_content
    "reportEvent": Row({"reason": "spam"}),
    "reportRoom": Row({"reason": "spam"}),
    "reportUser": Row({"reason": "spam"}, path={"userId": BOB}),
    # room_send
    "sendMessage": Row({"msgtype": "m.text", "body": "hello"}),
    # room_upgrades
    "upgradeRoom": Row({"new_version": "11"}),
    # room_state
    "setRoomStateWithKey": Row({"name": "Cellar"}, path={"eventType": "m.room.name"}),
    # rooms
    "getRoomStateWithKey": Row(path={"eventType": "m.room.name"}),
    # search
    "search": Row({"search_categories": {"room_events": SEARCH}}, prepare=_indexed),
    # support
    "getWellknownSupport": Row(caller="nobody", settings=WITH_SUPPORT),
    # to_device
    "sendToDevice": Row({"messages": {BOB: {"*": {"a": 1}}}}),
    # typing
    "setTyping": Row({"typing": True, "timeout": 1000}),
    # users
    "searchUserDirectory": Row({"search_term": "bob"}, prepare=_indexed),
    # voip
    "getTurnServer": Row(settings=WITH_TURN, prepare=_alice),
}
