"""Captchas, verified where the configuration says: with Google's reCAPTCHA 2.0, or whoever speaks as it does.

Spec: https://spec.matrix.org/v1.19/client-server-api/#google-recaptcha
"""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import orjson

from api_gateway.user_interactive_auth import AuthData, StageFailed
from matrix_protocol.errors import LimitExceeded, Unavailable
from service_kit.registration_settings import RegistrationSettings

TIMEOUT_S = 10.0
AT_ONCE_MAX = 8
WAITING_MAX = 64
RESPONSE_CHARACTERS_MAX = 8192
ANSWER_BYTES_MAX = 64 * 1024
_logger = logging.getLogger(__name__)


class Recaptcha:
    """The `m.login.recaptcha` stage."""

    def __init__(self, settings: RegistrationSettings) -> None:
        self._settings = settings
        self._free = asyncio.Semaphore(AT_ONCE_MAX)
        self._asking = 0

    async def check(self, auth: AuthData, client_ip: str) -> None:
        """Raises StageFailed for a wrong solution, Unavailable if nobody can tell."""
        response = auth.get("response")
        if not isinstance(response, str) or not response:
            raise StageFailed("M_CAPTCHA_NEEDED", "Solve the captcha")
        if len(response) > RESPONSE_CHARACTERS_MAX:
            raise StageFailed("M_CAPTCHA_INVALID", "This is no solution of a captcha")
        if not await self._is_right(response, client_ip):
            raise StageFailed("M_CAPTCHA_INVALID", "The captcha was not solved, or too long ago; try another one")

    async def _is_right(self, response: str, client_ip: str) -> bool:
        if self._asking >= WAITING_MAX:
            raise LimitExceeded("Too many people are registering just now, try again in a moment", retry_after_ms=4000)
        self._asking += 1
        try:
            async with self._free:
                return await asyncio.to_thread(self._ask, response, client_ip)
        except (OSError, ValueError) as error:
            _logger.warning("a captcha could not be verified at %s: %s", self._settings.recaptcha_verify_url, error)
            raise Unavailable("Captchas cannot be verified right now; try again later") from error
        finally:
            self._asking -= 1

    def _ask(self, response: str, client_ip: str) -> bool:
        """On a thread: registrations are rare, and the standard library's client is enough for one small request."""
        form = {"secret": self._settings.recaptcha_secret_key.get_secret_value(), "response": response}
        if client_ip:
            form["remoteip"] = client_ip
        request = Request(self._settings.recaptcha_verify_url, urlencode(form, errors="replace").encode())
        with urlopen(request, timeout=TIMEOUT_S) as answer:
            verdict = orjson.loads(answer.read(ANSWER_BYTES_MAX))
        return isinstance(verdict, dict) and verdict.get("success") is True
