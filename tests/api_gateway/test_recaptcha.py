"""Captchas against a small real service, and against none."""

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

import pytest

from api_gateway.recaptcha import Recaptcha
from api_gateway.user_interactive_auth import StageFailed
from matrix_protocol.errors import Unavailable
from service_kit.registration_settings import RegistrationSettings
from tests.api_gateway.conftest import StartGateway


class Verifier:
    """Answers as the verification service does: the solution `right` is right."""

    def __init__(self) -> None:
        self.forms: list[dict[str, list[str]]] = []
        self.answer: bytes | None = None
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        form = parse_qs((await reader.readexactly(length)).decode())
        self.forms.append(form)
        body = self.answer or json.dumps({"success": form["response"] == ["right"]}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()


@pytest.fixture
async def verifier() -> AsyncIterator[Verifier]:
    made = Verifier()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/siteverify"
    yield made
    server.close()
    await server.wait_closed()


def settings(verifier: Verifier) -> RegistrationSettings:
    return RegistrationSettings.model_validate(
        {
            "mode": "open",
            "recaptcha_site_key": "public",
            "recaptcha_secret_key": "secret",
            "recaptcha_verify_url": verifier.url,
        }
    )


async def test_who_solves_the_captcha_may_register(start_gateway: StartGateway, verifier: Verifier) -> None:
    gateway = await start_gateway(registration=settings(verifier))
    body = {"username": "alice", "password": "correct horse"}
    answer = await gateway.post("register", body)
    assert answer.body["flows"] == [{"stages": ["m.login.recaptcha"]}]
    assert answer.body["params"] == {"m.login.recaptcha": {"public_key": "public"}}
    auth = {"type": "m.login.recaptcha", "session": answer.body["session"]}
    for response, errcode in ((None, "M_CAPTCHA_NEEDED"), ("wrong", "M_CAPTCHA_INVALID")):
        answer = await gateway.post("register", {**body, "auth": {**auth, "response": response}})
        assert (answer.status, answer.body["errcode"]) == (401, errcode)
    assert (await gateway.post("register", {**body, "auth": {**auth, "response": "right"}})).status == 200
    assert verifier.forms[-1] == {"secret": ["secret"], "response": ["right"], "remoteip": ["192.0.2.1"]}


@pytest.mark.parametrize("answer", [b"no JSON", b"[true]", b'{"success": "true"}', b'{"success": 1}'])
async def test_only_a_clear_yes_counts(verifier: Verifier, answer: bytes) -> None:
    verifier.answer = answer
    with pytest.raises((StageFailed, Unavailable)):
        await Recaptcha(settings(verifier)).check({"response": "right"}, "")


async def test_without_the_verifier_nobody_registers_and_it_is_not_their_fault(verifier: Verifier) -> None:
    verifier.url = "http://127.0.0.1:9/siteverify"
    with pytest.raises(Unavailable):
        await Recaptcha(settings(verifier)).check({"response": "right"}, "")


async def test_a_solution_of_any_length_is_not_sent_on(verifier: Verifier) -> None:
    with pytest.raises(StageFailed):
        await Recaptcha(settings(verifier)).check({"response": "x" * 10_000}, "")
    assert verifier.forms == []
