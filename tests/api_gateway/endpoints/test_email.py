"""E-mail addresses: confirmed at registration, added to accounts, used to log in and to set a new password.

Two gateways of one cluster, which take turns, and a real mail server.
"""

from collections.abc import AsyncIterator
from itertools import cycle
from typing import Any

import pytest

from service_kit.rpc.pb.user_commands_pb2 import Address, ClaimAddress, UserCommand
from service_kit.third_party_ids import shard_key
from tests.api_gateway.account_gateway import AccountGateway, Answer, Session, open_settings, password_auth
from tests.mail_server import MailServer, ReceivedMail
from tests.userserver.cluster import UserCluster

ADDRESS = "Alice@Example.org"
SECRET = "secret.of-the_client="
REGISTER, ADD, RESET = ("register/email", "account/3pid/email", "account/password/email")
BODY = {"username": "alice", "password": "correct horse"}
SUBMIT = "/_plexus/client/email/submit_token"


class Scene:
    """Each call goes to another gateway than the one before."""

    def __init__(self, cluster: UserCluster, mails: MailServer) -> None:
        self.cluster = cluster
        self.mails = mails
        self._gateways: Any = None

    async def start(self, **changes: Any) -> None:
        registration = changes.pop("registration", {"mode": "open", "email": "optional"})
        email = self.mails.settings(**changes.pop("email", {}))
        settings = open_settings(registration=registration, email=email, **changes)
        self.cluster.email = settings.email
        await self.cluster.start_worker()
        started = [AccountGateway(self.cluster, settings) for _ in range(2)]
        for gateway in started:
            await gateway.start()
        self._gateways = cycle(started)

    @property
    def gateway(self) -> AccountGateway:
        chosen: AccountGateway = next(self._gateways)
        return chosen

    async def post(self, path: str, body: object = None, *, token: str = "") -> Answer:
        return await self.gateway.post(path, body, token=token)

    async def ask(self, path: str, email: str = ADDRESS, **more: object) -> Answer:
        body = {"client_secret": SECRET, "email": email, "send_attempt": 1, **more}
        return await self.post(f"{path}/requestToken", body)

    async def sid(self, path: str, email: str = ADDRESS, **more: object) -> str:
        answer = await self.ask(path, email, **more)
        assert answer.status == 200, answer
        sid: str = answer.body["sid"]
        return sid

    async def confirm(self) -> ReceivedMail:
        """What somebody does who reads the mail: opens the link, and presses the button."""
        mail = await self.mails.next()
        assert (await self.page("GET", mail.path)).status == 200
        form = mail.path.partition("?")[2].encode()
        assert (await self.page("POST", SUBMIT, form)).status == 200
        return mail

    async def page(self, method: str, path: str, form: bytes = b"") -> "Page":
        sent: list[dict[str, Any]] = []
        raw_path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "raw_path": raw_path.encode(),
            "query_string": query.encode(),
            "headers": [(b"content-type", b"application/x-www-form-urlencoded")],
            "client": ("192.0.2.1", 1000),
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": form}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.gateway.application(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Page(sent[0]["status"], headers, sent[1]["body"].decode())

    async def register_with_email(self, email: str = ADDRESS, username: str = "alice") -> Session:
        sid = await self.sid(REGISTER, email)
        await self.confirm()
        answer = await self.post("register", {**BODY, "username": username, "auth": creds(sid)})
        assert answer.status == 200, answer
        return Session(answer.body["user_id"], answer.body["device_id"], answer.body["access_token"])

    async def addresses(self, session: Session) -> list[str]:
        answer = await self.gateway.get("account/3pid", token=session.token)
        return [each["address"] for each in answer.body["threepids"]]


class Page:
    def __init__(self, status: int, headers: dict[str, str], text: str) -> None:
        self.status = status
        self.headers = headers
        self.text = text


def creds(sid: str, session: str | None = None) -> dict[str, object]:
    auth = {"type": "m.login.email.identity", "threepid_creds": {"sid": sid, "client_secret": SECRET}}
    return auth if session is None else {**auth, "session": session}


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with MailServer() as mails:
        cluster = UserCluster()
        yield Scene(cluster, mails)
        await cluster.stop()


async def test_who_registers_confirms_an_address_and_has_it(scene: Scene) -> None:
    await scene.start(registration={"mode": "open", "email": "required"})
    flows = (await scene.post("register", BODY)).body
    assert flows["flows"] == [{"stages": ["m.login.email.identity"]}]
    sid = await scene.sid(REGISTER)
    answer = await scene.post("register", {**BODY, "auth": creds(sid, flows["session"])})
    assert (answer.status, answer.body["errcode"]) == (401, "M_UNAUTHORIZED")
    mail = await scene.confirm()
    assert (mail.recipient, "a.example" in mail.text()) == ("alice@example.org", True)
    answer = await scene.post("register", {**BODY, "auth": creds(sid, flows["session"])})
    assert answer.status == 200
    listed = (await scene.gateway.get("account/3pid", token=answer.body["access_token"])).body["threepids"]
    assert (listed[0]["medium"], listed[0]["address"]) == ("email", "alice@example.org")
    assert listed[0]["added_at"] >= listed[0]["validated_at"] > 0
    # The session was used.
    answer = await scene.post("register", {**BODY, "username": "bob", "auth": creds(sid)})
    assert (answer.status, answer.body["errcode"]) == (401, "M_UNAUTHORIZED")


async def test_address_is_optional_where_configured(scene: Scene) -> None:
    await scene.start()
    flows = (await scene.post("register", BODY)).body["flows"]
    assert flows == [{"stages": ["m.login.dummy"]}, {"stages": ["m.login.email.identity"]}]
    assert (await scene.post("register", {**BODY, "auth": {"type": "m.login.dummy"}})).status == 200


async def test_address_goes_with_further_stages(scene: Scene) -> None:
    registration = {"mode": "token", "tokens": ["sesame"], "email": "required"}
    await scene.start(registration=registration)
    sid = await scene.sid(REGISTER)
    await scene.confirm()
    first = {"type": "m.login.registration_token", "token": "sesame"}
    answer = await scene.post("register", {**BODY, "auth": first})
    assert answer.body["completed"] == ["m.login.registration_token"]
    answer = await scene.post("register", {**BODY, "auth": creds(sid, answer.body["session"])})
    assert answer.status == 200


async def test_opening_the_link_changes_nothing(scene: Scene) -> None:
    await scene.start()
    sid = await scene.sid(REGISTER)
    mail = await scene.mails.next()
    page = await scene.page("GET", mail.path)
    assert "alice@example.org" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["referrer-policy"] == "no-referrer"
    assert (await scene.post("register", {**BODY, "auth": creds(sid)})).status == 401
    for wrong in (f"{SUBMIT}?sid={sid}&token=x", f"{SUBMIT}?sid=x&token=x", SUBMIT, f"{SUBMIT}?sid=%ff"):
        page = await scene.page("GET", wrong)
        assert page.status == 400
        assert "alice@example.org" not in page.text


async def test_client_may_submit_the_token_itself(scene: Scene) -> None:
    await scene.start()
    sid = await scene.sid(REGISTER)
    token = (await scene.mails.next()).parameters["token"]
    for body, errcode in (
        ({"sid": sid, "client_secret": "another", "token": token}, "M_NO_VALID_SESSION"),
        ({"sid": sid, "client_secret": SECRET, "token": "x"}, "M_TOKEN_INCORRECT"),
        ({"sid": sid, "client_secret": "ä", "token": token}, "M_INVALID_PARAM"),
        ({"sid": sid, "token": token}, "M_BAD_JSON"),
    ):
        answer = await scene.gateway.call("POST", SUBMIT, body)
        assert (answer.status, answer.body["errcode"]) == (400, errcode)
    answer = await scene.gateway.call("POST", SUBMIT, {"sid": sid, "client_secret": SECRET, "token": token})
    assert (answer.status, answer.body) == (200, {"success": True})
    assert (await scene.post("register", {**BODY, "auth": creds(sid)})).status == 200


@pytest.mark.parametrize(
    ("next_link", "is_followed"),
    [
        ("https://app.example/done?a=1#b", True),
        ("https://evil.example/", False),
        ("https://app.example@evil.example/", False),
        ("https://app.example\\@evil.example/", False),
        ("javascript:alert(1)//app.example", False),
        ("https://app.example/\r\nSet-Cookie: a=b", False),
        ("https://[app.example/", False),
        ("//app.example/", False),
    ],
)
async def test_people_are_sent_on_only_where_configured(scene: Scene, next_link: str, is_followed: bool) -> None:
    await scene.start(email={"next_link_hosts": ["app.example"]})
    await scene.sid(REGISTER, next_link=next_link)
    mail = await scene.mails.next()
    page = await scene.page("POST", SUBMIT, mail.path.partition("?")[2].encode())
    assert page.status == (303 if is_followed else 200)
    assert page.headers.get("location") == (next_link if is_followed else None)


async def test_nobody_is_told_whether_an_address_is_in_use(scene: Scene) -> None:
    await scene.start()
    await scene.register_with_email()
    assert (await scene.ask(REGISTER, client_secret="another")).status == 200
    mail = await scene.mails.next()
    assert "There is an account with this address already" in mail.text()
    assert "http" not in mail.text()
    assert (await scene.ask(RESET, "nobody@example.org")).status == 200
    assert "There is no such account" in (await scene.mails.next()).text()


async def test_where_configured_it_is_told(scene: Scene) -> None:
    await scene.start(email={"hide_accounts": False})
    await scene.register_with_email()
    for path, email, errcode in (
        (REGISTER, "alice@EXAMPLE.org", "M_THREEPID_IN_USE"),
        (ADD, ADDRESS, "M_THREEPID_IN_USE"),
        (RESET, "nobody@example.org", "M_THREEPID_NOT_FOUND"),
    ):
        answer = await scene.ask(path, email)
        assert (answer.status, answer.body["errcode"]) == (400, errcode)


async def test_what_is_no_address_or_not_accepted_is_refused(scene: Scene) -> None:
    await scene.start(email={"allowed_domains": ["example.org"]})
    for email in ("", "alice", "a@b@example.org", "a b@example.org", "a@example.org\r\nBcc: b@x.y", "ä@example.org"):
        assert (await scene.ask(REGISTER, email)).body["errcode"] == "M_INVALID_PARAM"
    assert (await scene.ask(REGISTER, "alice@elsewhere.example")).body["errcode"] == "M_THREEPID_DENIED"
    assert (await scene.ask(REGISTER, client_secret="a b")).body["errcode"] == "M_INVALID_PARAM"
    assert (await scene.ask(REGISTER, send_attempt=-1)).status == 400
    assert scene.mails.received.empty()


async def test_address_is_added_to_an_account_and_removed(scene: Scene) -> None:
    await scene.start()
    session = await scene.gateway.register()
    sid = await scene.sid(ADD)
    body = {"sid": sid, "client_secret": SECRET, "auth": password_auth(session.user_id)}
    assert (await scene.post("account/3pid/add", {**body, "auth": None}, token=session.token)).status == 401
    answer = await scene.post("account/3pid/add", body, token=session.token)
    assert (answer.status, answer.body["errcode"]) == (400, "M_SESSION_NOT_VALIDATED")
    await scene.confirm()
    assert (await scene.post("account/3pid/add", body, token=session.token)).status == 200
    assert await scene.addresses(session) == ["alice@example.org"]
    third_party_id = {"medium": "email", "address": "ALICE@example.org"}
    answer = await scene.post("account/3pid/unbind", third_party_id, token=session.token)
    assert answer.body == {"id_server_unbind_result": "no-support"}
    assert await scene.addresses(session) == ["alice@example.org"]
    for _ in range(2):
        answer = await scene.post("account/3pid/delete", third_party_id, token=session.token)
        assert (answer.status, answer.body) == (200, {"id_server_unbind_result": "no-support"})
    assert await scene.addresses(session) == []
    bob = await scene.register_with_email(username="bob")
    assert await scene.addresses(bob) == ["alice@example.org"]


async def test_deprecated_way_to_add_asks_for_the_password_too(scene: Scene) -> None:
    await scene.start()
    session = await scene.gateway.register()
    sid = await scene.sid(ADD)
    await scene.confirm()
    creds = {"sid": sid, "client_secret": SECRET, "id_server": "x", "id_access_token": "y"}
    assert (await scene.post("account/3pid", {"three_pid_creds": creds}, token=session.token)).status == 401
    body = {"three_pid_creds": creds, "auth": password_auth(session.user_id)}
    assert (await scene.post("account/3pid", body, token=session.token)).status == 200
    assert await scene.addresses(session) == ["alice@example.org"]


async def test_address_belongs_to_one_account(scene: Scene) -> None:
    await scene.start()
    alice, bob = await scene.gateway.register("alice"), await scene.gateway.register("bob")
    sids = []
    for secret in ("first", "second"):
        sids.append(await scene.sid(ADD, client_secret=secret))
        await scene.confirm()
    for session, sid, secret, status in ((alice, sids[0], "first", 200), (bob, sids[1], "second", 400)):
        body = {"sid": sid, "client_secret": secret, "auth": password_auth(session.user_id)}
        answer = await scene.post("account/3pid/add", body, token=session.token)
        assert answer.status == status
    assert answer.body["errcode"] == "M_THREEPID_IN_USE"
    assert (await scene.addresses(alice), await scene.addresses(bob)) == (["alice@example.org"], [])


async def test_claim_that_somebody_left_behind_counts_for_some_minutes(scene: Scene) -> None:
    await scene.start()
    ghost = await scene.gateway.register("ghost")
    address = Address(server_name="a.example", medium="email", address="alice@example.org")
    claim = ClaimAddress(address=address, user_id=ghost.user_id)
    await scene.cluster.users.user(shard_key(address), UserCommand(claim_address=claim))
    sid = await scene.sid(REGISTER)
    await scene.confirm()
    answer = await scene.post("register", {**BODY, "auth": creds(sid)})
    assert (answer.status, answer.body["errcode"]) == (400, "M_THREEPID_IN_USE")
    await scene.cluster.clock.advance(5 * 60)
    assert (await scene.post("register", {**BODY, "auth": creds(sid)})).status == 200


async def test_somebody_logs_in_by_address(scene: Scene) -> None:
    await scene.start()
    session = await scene.register_with_email()
    login = {"type": "m.login.password", "password": "correct horse"}
    for way in (
        {"identifier": {"type": "m.id.thirdparty", "medium": "email", "address": ADDRESS}},
        {"medium": "email", "address": "alice@example.org"},
    ):
        answer = await scene.post("login", {**login, **way})
        assert (answer.status, answer.body["user_id"]) == (200, session.user_id)
    for identifier in (
        {"type": "m.id.thirdparty", "medium": "email", "address": "nobody@example.org"},
        {"type": "m.id.thirdparty", "medium": "msisdn", "address": "491234567"},
        {"type": "m.id.thirdparty"},
        {"type": "m.id.phone", "country": "DE", "phone": "01234567"},
    ):
        answer = await scene.post("login", {**login, "identifier": identifier})
        assert (answer.status, answer.body["errcode"]) == (403, "M_FORBIDDEN")
    auth = {**password_auth(""), "identifier": {"type": "m.id.thirdparty", "medium": "email", "address": ADDRESS}}
    body = {"devices": [], "auth": auth}
    assert (await scene.post("delete_devices", body, token=session.token)).status == 200


async def test_new_password_is_set_by_whoever_reads_the_mails(scene: Scene) -> None:
    await scene.start()
    session = await scene.register_with_email()
    sid = await scene.sid(RESET)
    body = {"new_password": "another horse", "auth": creds(sid)}
    answer = await scene.post("account/password", body)
    assert (answer.status, answer.body["errcode"]) == (401, "M_UNAUTHORIZED")
    assert answer.body["flows"] == [{"stages": ["m.login.email.identity"]}]
    mail = await scene.confirm()
    assert "new password" in mail.text()
    assert (await scene.post("account/password", body)).status == 200
    assert (await scene.gateway.login(password="another horse")).status == 200
    assert (await scene.gateway.login()).status == 403
    assert (await scene.gateway.get("account/whoami", token=session.token)).status == 401
    assert (await scene.post("account/password", {**body, "new_password": "third horse"})).status == 401


async def test_devices_stay_where_the_owner_wants_it(scene: Scene) -> None:
    await scene.start()
    session = await scene.register_with_email()
    sid = await scene.sid(RESET)
    await scene.confirm()
    body = {"new_password": "another horse", "logout_devices": False, "auth": creds(sid)}
    assert (await scene.post("account/password", body)).status == 200
    assert (await scene.gateway.get("account/whoami", token=session.token)).status == 200


async def test_proof_for_one_purpose_is_none_for_another(scene: Scene) -> None:
    await scene.start()
    await scene.register_with_email()
    bob = await scene.gateway.register("bob")
    sid = await scene.sid(ADD, "other@example.org")
    await scene.confirm()
    assert (await scene.post("account/password", {"new_password": "another horse", "auth": creds(sid)})).status == 401
    sid = await scene.sid(RESET)
    await scene.confirm()
    # bob's own access token and alice's address.
    body = {"new_password": "another horse", "auth": creds(sid)}
    assert (await scene.post("account/password", body, token=bob.token)).status == 401
    body = {"sid": sid, "client_secret": SECRET, "auth": password_auth(bob.user_id)}
    answer = await scene.post("account/3pid/add", body, token=bob.token)
    assert (answer.status, answer.body["errcode"]) == (400, "M_NO_VALID_SESSION")


async def test_deactivated_account_gives_its_address_free(scene: Scene) -> None:
    await scene.start()
    session = await scene.register_with_email()
    auth = {"auth": password_auth(session.user_id)}
    assert (await scene.post("account/deactivate", auth, token=session.token)).status == 200
    bob = await scene.register_with_email(username="bob")
    assert await scene.addresses(bob) == ["alice@example.org"]


async def test_number_of_addresses_has_a_bound(scene: Scene) -> None:
    await scene.start(email={"addresses_max": 1})
    session = await scene.register_with_email()
    sid = await scene.sid(ADD, "other@example.org")
    await scene.confirm()
    body = {"sid": sid, "client_secret": SECRET, "auth": password_auth(session.user_id)}
    assert (await scene.post("account/3pid/add", body, token=session.token)).body["errcode"] == "M_FORBIDDEN"
    bob = await scene.register_with_email("other@example.org", "bob")
    assert await scene.addresses(bob) == ["other@example.org"]


async def test_mails_to_one_address_are_limited_for_all_gateways(scene: Scene) -> None:
    await scene.start(email={"mails_per_hour_max": 2})
    for secret in ("first", "second"):
        await scene.sid(REGISTER, client_secret=secret)
    answer = await scene.ask(REGISTER, client_secret="third")
    assert (answer.status, answer.body["errcode"]) == (429, "M_LIMIT_EXCEEDED")


async def test_telephones_and_identity_servers_are_not_supported(scene: Scene) -> None:
    await scene.start()
    session = await scene.gateway.register()
    body = {"client_secret": SECRET, "country": "DE", "phone_number": "01234567", "send_attempt": 1}
    for path in ("register/msisdn", "account/3pid/msisdn", "account/password/msisdn"):
        answer = await scene.post(f"{path}/requestToken", body)
        assert (answer.status, answer.body["errcode"]) == (400, "M_THREEPID_MEDIUM_NOT_SUPPORTED")
    bind = {"client_secret": SECRET, "sid": "x", "id_server": "id.example", "id_access_token": "x"}
    answer = await scene.post("account/3pid/bind", bind, token=session.token)
    assert (answer.status, answer.body["errcode"]) == (400, "M_SERVER_NOT_TRUSTED")


async def test_changes_can_be_switched_off(scene: Scene) -> None:
    await scene.start(capabilities={"third_party_id_changes": False, "change_password": False})
    session = await scene.gateway.register()
    capabilities = (await scene.gateway.get("capabilities", token=session.token)).body["capabilities"]
    assert capabilities["m.3pid_changes"] == {"enabled": False}
    for path in (ADD, RESET):
        assert (await scene.ask(path)).body["errcode"] == "M_THREEPID_DENIED"
    third_party_id = {"medium": "email", "address": ADDRESS}
    answer = await scene.post("account/3pid/delete", third_party_id, token=session.token)
    assert answer.body["errcode"] == "M_FORBIDDEN"


async def test_without_a_mail_server_there_are_no_mails(gateway: AccountGateway) -> None:
    body = {"client_secret": SECRET, "email": ADDRESS, "send_attempt": 1}
    for path in (REGISTER, ADD, RESET):
        answer = await gateway.post(f"{path}/requestToken", body)
        assert (answer.status, answer.body["errcode"]) == (400, "M_THREEPID_MEDIUM_NOT_SUPPORTED")
    answer = await gateway.post("account/password", {"new_password": "another horse"})
    assert (answer.status, answer.body["errcode"]) == (401, "M_MISSING_TOKEN")


def test_settings_of_registration_need_a_mail_server() -> None:
    with pytest.raises(ValueError, match=r"needs email\.smtp_host"):
        open_settings(registration={"mode": "open", "email": "required"})
