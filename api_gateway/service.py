"""The gateway as a component: what its endpoints need, put together. It keeps nothing but caches.

The composition starts a listener for `application`, alone or merged with other components'.
"""

from __future__ import annotations

from typing import Any

from api_gateway import endpoints
from api_gateway.email_validation import EmailValidation
from api_gateway.ignored_users import IgnoredUsers
from api_gateway.login_identifiers import LoginIdentifiers
from api_gateway.message_search import MessageSearch
from api_gateway.new_rooms import NewRooms
from api_gateway.openid_tokens import OpenIdTokens
from api_gateway.passed_stages import StagesAtUserserver
from api_gateway.password_reset import PasswordReset
from api_gateway.password_stage import PasswordAuth
from api_gateway.read_marking import ReadMarks
from api_gateway.registration_stages import RegistrationStages
from api_gateway.registration_tokens import RegistrationTokens
from api_gateway.related_events import RelatedEvents
from api_gateway.room_upgrade import RoomUpgrades
from api_gateway.third_party_ids import ThirdPartyIds
from api_gateway.user_interactive_auth import UserInteractiveAuth
from service_kit.bus.interface import Bus
from service_kit.clock import Clock
from service_kit.config import Settings
from service_kit.hosted_servers import HostedServers
from service_kit.http.application import HttpApplication
from service_kit.http.authentication import Authentication
from service_kit.http.endpoint import collect
from service_kit.http.rate_limits import RateLimits
from service_kit.http.shared_rate_limits import SharedRateLimits
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.queries import AskedRoomQueries, Asker, RoomQueries
from service_kit.shards import ShardMap
from service_kit.third_party_ids import ValidationCodes


class ApiGateway:
    """The client-server API but for /sync. Implements `service_kit.lifecycle.Service`."""

    name = "api_gateway"

    def __init__(
        self,
        *,
        settings: Settings,
        hosted_servers: HostedServers,
        bus: Bus,
        asker: Asker,
        shards: ShardMap,
        clock: Clock,
    ) -> None:
        commands = CommandClient(bus, shards, clock)
        rate_limits = RateLimits.of_settings(settings.rate_limits, clock)
        self._shared_rate_limits = SharedRateLimits(rate_limits, bus, clock)
        interactive_auth = UserInteractiveAuth.of_cluster(hosted_servers, clock, StagesAtUserserver(commands))
        registration_tokens = RegistrationTokens(settings.registration, commands, clock)
        third_party_ids = ThirdPartyIds(commands, clock, per_user_max=settings.email.addresses_max)
        codes = ValidationCodes.of_cluster(hosted_servers)
        validation = EmailValidation(settings, commands, third_party_ids, codes)
        identifiers = LoginIdentifiers(third_party_ids)
        self._authentication = Authentication(commands, bus, shards, clock)
        self._ready = False
        new_rooms = NewRooms(hosted_servers, clock, settings.rooms.default_version)
        providers: dict[Any, object] = {
            Asker: asker,
            Authentication: self._authentication,
            Bus: bus,
            Clock: clock,
            CommandClient: commands,
            EmailValidation: validation,
            HostedServers: hosted_servers,
            IgnoredUsers: IgnoredUsers(commands, clock),
            LoginIdentifiers: identifiers,
            PasswordAuth: PasswordAuth(interactive_auth, commands, rate_limits, identifiers),
            PasswordReset: PasswordReset(validation, third_party_ids),
            RegistrationStages: RegistrationStages(settings.registration, registration_tokens, validation),
            RegistrationTokens: registration_tokens,
            ThirdPartyIds: third_party_ids,
            UserInteractiveAuth: interactive_auth,
            OpenIdTokens: OpenIdTokens(hosted_servers, clock),
            MessageSearch: MessageSearch(asker, shards, clock),
            NewRooms: new_rooms,
            ReadMarks: ReadMarks(commands, clock),
            RelatedEvents: RelatedEvents(asker, commands, shards, clock),
            RoomQueries: AskedRoomQueries(asker),
            RoomUpgrades: RoomUpgrades(commands, asker, new_rooms),
            Settings: settings,
            ShardMap: shards,
        }
        self.application = HttpApplication(
            collect(endpoints),
            providers,
            self._authentication,
            rate_limits,
            clock=clock,
            trusted_proxies=settings.http.trusted_proxies,
            body_bytes_max=settings.http.body_max_kib * 1024,
        )

    async def start(self) -> None:
        await self._authentication.start()
        await self._shared_rate_limits.start()
        self._ready = True

    def is_ready(self) -> bool:
        return self._ready

    async def drain(self) -> None:
        self._ready = False
        self.application.drain()

    async def stop(self) -> None:
        self._ready = False
        await self._shared_rate_limits.stop()
        await self._authentication.stop()
