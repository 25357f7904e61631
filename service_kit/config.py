"""The configuration: one YAML file, and environment variables over it.

    value given by a command line option  >  PLEXUS_SECTION__KEY  >  the file  >  the default below

A key that is not declared here is refused, in the file and in the environment:
a misspelt limit that silently stays at its default is worse than a server that
does not start. Every field carries its description; docs/configuration.md and
`plexus config example` are made from them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from service_kit.account_settings import (
    CapabilitySettings,
    LoginSettings,
    OpenIdSettings,
    ServerNoticeSettings,
    SupportSettings,
    TurnSettings,
)
from service_kit.email_settings import EmailSettings
from service_kit.registration_settings import RegistrationSettings as RegistrationSettings
from service_kit.retention_settings import RetentionSettings
from service_kit.settings_section import Section

ENV_PREFIX = "PLEXUS_"
CONFIG_FILE_VARIABLE = "PLEXUS_CONFIG"
_NOT_SETTINGS = {CONFIG_FILE_VARIABLE}


class ConfigError(Exception):
    """The configuration cannot be used; the message names each key and what to do about it."""


def split_address(address: str) -> tuple[str, int]:
    """`host:port` or `[IPv6]:port` as (host, port). Raises ValueError."""
    host, separator, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("write it as HOST:PORT, for example 127.0.0.1:8008")
    return host, int(port)


def _checked_address(address: str) -> str:
    split_address(address)
    return address


def _checked_server_name(name: str) -> str:
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789.-:[]")
    if not 0 < len(name) <= 230 or set(name.lower()) - allowed or name != name.lower():
        raise ValueError("write a host name in lower case, with a port if need be, for example example.org")
    return name


Address = Annotated[str, AfterValidator(_checked_address)]
ServerName = Annotated[str, AfterValidator(_checked_server_name)]


class HostedServerSettings(Section):
    """A further server name of the same cluster."""

    server_name: ServerName = Field(description="The name after the colon in its users' IDs.")
    public_base_url: str = Field(default="", description="As `public_base_url` above, for this server name.")
    hosts: list[str] = Field(
        default=[], description="Host names (of requests' `Host` header) that belong to it, besides the name itself."
    )
    presence: bool | None = Field(default=None, description="As `presence.enabled`, for its users. Empty: as there.")


class NatsSettings(Section):
    """The message bus."""

    servers: list[str] = Field(
        default=[],
        description="URLs of NATS servers, for example `nats://10.0.0.5:4222`. Empty: `plexus up` starts one of its "
        "own, on a loopback port.",
    )
    credentials_file: Path | None = Field(default=None, description="A NATS `.creds` file (JWT and seed).")
    token: SecretStr = Field(default=SecretStr(""), description="A NATS authentication token.")
    tls_ca_file: Path | None = Field(default=None, description="Certificate authority that signed the servers' names.")
    tls_certificate_file: Path | None = Field(
        default=None, description="Our certificate, where the servers ask for it."
    )
    tls_key_file: Path | None = Field(default=None, description="The key of `tls_certificate_file`.")


class StoreSettings(Section):
    """Where events and accounts are kept."""

    engine: Literal["sqlite", "cassandra", "memory"] = Field(
        default="sqlite",
        description="`sqlite`: a file. `cassandra`: a cluster, see below. `memory`: nothing survives a restart "
        "(tests).",
    )
    path: Path | None = Field(
        default=None, description="The database file. Empty: `plexus.sqlite3` in the data directory."
    )
    fsync: bool = Field(
        default=True,
        description="Answer a client only when the disk has what it sent. `false` may lose the last moments in a "
        "power cut.",
    )


class CassandraSettings(Section):
    """With `store.engine: cassandra`; `plexus schema apply` makes its keyspace and tables (docs/cassandra.md)."""

    contact_points: list[Address] = Field(
        default=["127.0.0.1:9042"], min_length=1, description="Nodes to ask first; they name the others."
    )
    keyspace: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,47}$")] = Field(
        default="plexus", description="One for each Plexus cluster."
    )
    local_data_centre: str = Field(
        default="datacenter1", description="The data centre, by its name in Cassandra, that this process talks to."
    )
    replication: dict[str, Annotated[int, Field(ge=1, le=16)]] = Field(
        default={"datacenter1": 3},
        min_length=1,
        description="How many copies each data centre keeps. Used when `plexus schema apply` makes the keyspace, "
        "compared at every start.",
    )
    consistency: Literal["local", "global"] = Field(
        default="local",
        description="`local`: a majority in the local data centre decides; all Plexus processes are there. "
        "`global`: a majority over all data centres.",
    )
    username: str = Field(default="", description="Empty: no authentication.")
    password: SecretStr = Field(default=SecretStr(""), description="Of `username`.")
    tls_ca_file: Path | None = Field(default=None, description="Certificate authority that signed the nodes' names.")
    tls_certificate_file: Path | None = Field(default=None, description="Our certificate, where the nodes ask for it.")
    tls_key_file: Path | None = Field(default=None, description="The key of `tls_certificate_file`.")


class ClusterSettings(Section):
    """How the work is cut into shards; chosen once, at the first start. Later, another number is refused."""

    id: str = Field(
        default="",
        max_length=64,
        description="Which cluster this process belongs to, where it shares a store with processes on other "
        "machines. Empty: as the file `cluster_id` in the data directory says, which the first start makes.",
    )

    room_shards: int = Field(
        default=8,
        ge=1,
        le=4096,
        description="Into how many shards rooms are cut: the most roomserver workers there can be.",
    )
    user_shards: int = Field(
        default=8,
        ge=1,
        le=4096,
        description="Into how many shards users are cut: the most userserver workers there can be.",
    )


class SessionSettings(Section):
    """Logged-in devices."""

    access_token_lifetime_s: int = Field(
        default=3600,
        ge=60,
        description="How long an access token of a client that can refresh it is valid. Others' tokens do not expire.",
    )


class PasswordSettings(Section):
    """How passwords are kept. The defaults are one of OWASP's choices for argon2id: 9 MiB, 4 passes, 1 lane."""

    length_min: int = Field(
        default=1, ge=1, le=512, description="Shortest new password, in characters. NIST SP 800-63B asks for 8 or more."
    )
    length_max: int = Field(
        default=512, ge=1, le=512, description="Longest new password, in characters; 512 bytes is the most in any case."
    )
    argon2_memory_kib: int = Field(default=9216, ge=8, description="Memory for hashing one password, in KiB.")
    argon2_iterations: int = Field(default=4, ge=1, description="Passes over that memory.")
    concurrent_hashes_max: int = Field(default=2, ge=1, description="How many passwords one worker hashes at a time.")


class RateLimit(Section):
    """A bucket: `burst` requests at once, then `per_second` on the average."""

    per_second: float = Field(gt=0, description="Requests a second in the long run.")
    burst: int = Field(ge=1, description="Requests at once.")


def _limit(per_second: float, burst: int, description: str) -> Any:
    return Field(default=RateLimit(per_second=per_second, burst=burst), description=description)


class RateLimitSettings(Section):
    """Limits on what one client may ask for, counted by all gateways together (ADR-0024).

    A proxy must be one of `http.trusted_proxies`, or all clients seem to have its address. IPv6 counts by /64.
    """

    enabled: bool = Field(default=True, description="Whether there are any limits.")
    exempt_users: list[str] = Field(default=[], description="User IDs, such as of bots, without limits.")
    exempt_addresses: list[str] = Field(
        default=[], description="Addresses or networks, such as a bridge's or a monitor's, without limits."
    )
    login: RateLimit = _limit(0.2, 10, "Logins and password checks, by client address and by account.")
    login_failure: RateLimit = _limit(0.05, 6, "Logins and password checks that fail, by account.")
    login_failure_address: RateLimit = _limit(0.1, 20, "Logins that fail, by client address.")
    registration: RateLimit = _limit(0.2, 5, "New accounts, by client address.")
    email: RateLimit = _limit(0.02, 5, "Mails asked for, by client address; see also `email.mails_per_hour_max`.")
    email_link: RateLimit = _limit(0.5, 20, "Links of mails that are followed, by client address.")
    message: RateLimit = _limit(5, 50, "Events sent into rooms, by user.")
    membership: RateLimit = _limit(1, 20, "Joins, invites, kicks, bans, by user.")
    create_room: RateLimit = _limit(0.2, 10, "New rooms, by user.")
    sync: RateLimit = _limit(10, 50, "Calls of /sync, by user.")
    directory: RateLimit = _limit(2, 30, "Pages of room directories and of spaces, summaries of rooms, by user.")
    report: RateLimit = _limit(0.1, 20, "Reports of events, rooms and users, by user.")
    other: RateLimit = _limit(50, 200, "Everything else, by user, or by client address where nobody is logged in.")
    room: RateLimit = _limit(100, 500, "Events sent into one room, by everybody together.")
    address: RateLimit = _limit(500, 2000, "All requests from one client address, whoever is logged in there.")


class RoomSettings(Section):
    """Rooms."""

    default_version: str = Field(default="12", description="Room version of new rooms, unless the client asks for one.")
    in_memory_max_mib: int = Field(
        default=128,
        ge=1,
        description="How much memory a roomserver worker may fill with rooms before it drops idle ones.",
    )
    members_max: int = Field(default=100_000, ge=2, description="Most joined members of a room.")
    delayed_event_max_s: int = Field(
        default=86400, ge=1, description="Longest delay of an event that is to be sent later (MSC4140)."
    )
    delayed_events_per_user_max: int = Field(
        default=100, ge=0, le=1000, description="Most events that a user may have waiting to be sent; 0 forbids it."
    )


class SyncSettings(Section):
    """`/sync`."""

    timeout_max_s: int = Field(default=600, ge=0, description="Longest wait that a client may ask for.")
    waiting_max: int = Field(default=20_000, ge=1, description="Most requests that wait in one sync worker.")
    timeline_limit_max: int = Field(default=100, ge=1, le=1000, description="Most events of one room in one answer.")
    rooms_in_memory_max_mib: int = Field(default=64, ge=1, description="Memory for recent events, in each sync worker.")
    users_idle_s: int = Field(
        default=300, ge=1, description="How long a sync worker follows a user's rooms after the last call."
    )


class SearchSettings(Section):
    """Search of messages, and the directory of users."""

    directory_shows_all_users: bool = Field(
        default=False,
        description="Whether everybody finds all users of this server. `false`: those who share a room with them, or "
        "are in a room that anybody may join or read.",
    )


class PresenceSettings(Section):
    """Who is online."""

    enabled: bool = Field(
        default=True, description="Whether users see who is online. Where they do not, nothing is kept or sent for it."
    )
    idle_s: int = Field(default=300, ge=10, description="After so long without doing anything a user is `unavailable`.")
    expire_s: int = Field(
        default=60,
        ge=30,
        description="After so long without a sign of a device, from whichever sync worker, it does not count any more.",
    )


class HttpSettings(Section):
    """What holds for all HTTP listeners."""

    body_max_kib: int = Field(default=1024, ge=64, description="Longest request body.")
    trusted_proxies: list[str] = Field(
        default=["127.0.0.1", "::1"],
        description="Addresses or networks whose `X-Forwarded-For` is believed.",
    )
    drain_timeout_s: int = Field(default=20, ge=0, le=90, description="How long a stopping server waits for requests.")


class RpcSettings(Section):
    """gRPC between components (large and streamed reads)."""

    listen: Address = Field(default="127.0.0.1:0", description="Where workers answer; port 0 takes a free one.")
    advertise_host: str = Field(
        default="", description="Under which host name others reach this process. Empty: the host of `listen`."
    )


class TelemetrySettings(Section):
    """Watching the server."""

    listen: Address = Field(
        default="127.0.0.1:0",
        description="Where `/metrics` (Prometheus), `/livez` and `/readyz` are; port 0 takes a free one, "
        "which `plexus status` shows.",
    )
    otlp_endpoint: str = Field(
        default="",
        description="Where traces go (OTLP over HTTP), for example `http://127.0.0.1:4318`. Empty: no traces.",
    )
    trace_sample_ratio: float = Field(default=0.01, ge=0, le=1, description="Which part of the requests is traced.")


class LogSettings(Section):
    """Logs, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="The least that is logged.")
    format: Literal["text", "json"] = Field(default="text", description="`text` for people, `json` for log collectors.")


_file: ContextVar[Path | None] = ContextVar("configuration_file", default=None)
"""Read by the Settings that are being made; none by those that are made directly."""


class Settings(BaseSettings):
    """All settings. Frozen; made by `load_settings`, or directly in tests: `Settings(server_name="a.example")`."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        validate_default=True,
        nested_model_default_partial_update=True,
    )

    server_name: ServerName = Field(
        default="localhost",
        description="The name after the colon in users' IDs. Choose well: accounts and rooms keep it for ever.",
    )
    further_servers: list[HostedServerSettings] = Field(
        default=[], description="Further server names that the same cluster serves."
    )
    listen: Address = Field(default="127.0.0.1:8008", description="Where clients connect.")
    public_base_url: str = Field(
        default="",
        description="The URL under which clients reach the server from outside, for `/.well-known/matrix/client`. "
        "Empty: `http://` and `listen`.",
    )
    data_dir: Path = Field(default=Path("plexus-data"), description="Where the database and the signing keys are.")
    nats: NatsSettings = Field(default=NatsSettings(), description="")
    store: StoreSettings = Field(default=StoreSettings(), description="")
    cassandra: CassandraSettings = Field(default=CassandraSettings(), description="")
    cluster: ClusterSettings = Field(default=ClusterSettings(), description="")
    registration: RegistrationSettings = Field(default=RegistrationSettings(), description="")
    sessions: SessionSettings = Field(default=SessionSettings(), description="")
    email: EmailSettings = Field(default=EmailSettings(), description="")
    login: LoginSettings = Field(default=LoginSettings(), description="")
    capabilities: CapabilitySettings = Field(default=CapabilitySettings(), description="")
    retention: RetentionSettings = Field(default=RetentionSettings(), description="")
    server_notices: ServerNoticeSettings = Field(default=ServerNoticeSettings(), description="")
    openid: OpenIdSettings = Field(default=OpenIdSettings(), description="")
    support: SupportSettings = Field(default=SupportSettings(), description="")
    turn: TurnSettings = Field(default=TurnSettings(), description="")
    passwords: PasswordSettings = Field(default=PasswordSettings(), description="")
    rate_limits: RateLimitSettings = Field(default=RateLimitSettings(), description="")
    rooms: RoomSettings = Field(default=RoomSettings(), description="")
    sync: SyncSettings = Field(default=SyncSettings(), description="")
    search: SearchSettings = Field(default=SearchSettings(), description="")
    presence: PresenceSettings = Field(default=PresenceSettings(), description="")
    http: HttpSettings = Field(default=HttpSettings(), description="")
    rpc: RpcSettings = Field(default=RpcSettings(), description="")
    telemetry: TelemetrySettings = Field(default=TelemetrySettings(), description="")
    log: LogSettings = Field(default=LogSettings(), description="")

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        if self.registration.email != "never" and not self.email.enabled:
            raise ValueError("registration.email needs email.smtp_host: without it no address can be confirmed")
        names = [self.server_name, *(server.server_name for server in self.further_servers)]
        if len(set(names)) != len(names):
            raise ValueError("further_servers: a server name is there twice")
        return self

    @property
    def store_path(self) -> Path:
        return self.store.path or self.data_dir / "plexus.sqlite3"

    @property
    def presence_servers(self) -> frozenset[str]:
        """The server names whose users see each other's presence."""
        own = {self.server_name: self.presence.enabled}
        others = {
            server.server_name: self.presence.enabled if server.presence is None else server.presence
            for server in self.further_servers
        }
        return frozenset(name for name, enabled in (own | others).items() if enabled)

    @property
    def client_base_url(self) -> str:
        """Where clients reach the default server name, without a slash at the end."""
        return (self.public_base_url or f"http://{self.listen}").rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls, yaml_file=_file.get())


def load_settings(config_file: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the configuration. `overrides` are nested as in the file and win over everything. Raises ConfigError."""
    named = os.environ.get(CONFIG_FILE_VARIABLE, "")
    path = config_file or (Path(named) if named else None)
    if path is not None and not path.is_file():
        raise ConfigError(f"{path}: there is no such file; `plexus config example > {path}` makes one")
    _refuse_unknown_variables()
    token = _file.set(path)
    try:
        return Settings(**(overrides or {}))
    except ValidationError as error:
        raise ConfigError("\n".join(_explained(error, path))) from None
    except Exception as error:  # what a YAML parser or the environment reader raise is their own
        raise ConfigError(f"{path or 'environment'}: {error}") from error
    finally:
        _file.reset(token)


def _refuse_unknown_variables() -> None:
    for variable in os.environ:
        if not variable.startswith(ENV_PREFIX) or variable in _NOT_SETTINGS:
            continue
        field = variable.removeprefix(ENV_PREFIX).lower().split("__")[0]
        if field not in Settings.model_fields:
            raise ConfigError(f"{variable}: there is no setting {field!r}; docs/configuration.md lists them all")


def _explained(error: ValidationError, path: Path | None) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in problem["loc"])
        variable = ENV_PREFIX + "__".join(str(part) for part in problem["loc"]).upper()
        places = f"{path} or the environment" if path else "the environment"
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            yield f"{key}: there is no such setting; take it out of {places} ({variable})"
        elif key:
            yield f"{key}: {message[0].lower()}{message[1:]} (in {places}: {variable})"
        else:
            yield message
