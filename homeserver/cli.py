"""The command line. Imports next to nothing itself, so that `plexus --help` is quick."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homeserver.tools.cli import add_tools

if TYPE_CHECKING:
    from service_kit.config import Settings

COMPONENTS = ("api_gateway", "roomserver", "search", "sync_api", "userserver")
USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = make_parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0  # `plexus config docs | head`


class _Parser(argparse.ArgumentParser):
    """Options are written out: `--password` must not be taken for `--password-file`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)


def make_parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    parser = _Parser(
        prog="plexus", description="A Matrix homeserver of many small processes, or of one: begin with `plexus up`."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_up(commands)
    _add_users(commands)
    _add_status(commands)
    _add_reports(commands)
    _add_notices(commands)
    _add_shards(commands)
    _add_config(commands)
    _add_routes(commands)
    _add_schema(commands)
    add_tools(commands)
    for name in COMPONENTS:
        component = commands.add_parser(name, help=f"run one {name}", description=f"Run one {name} process.")
        _add_settings_options(component)
        component.add_argument(
            "--name", default="", help="unique in the cluster (default: made of host and process ID)"
        )
        component.add_argument("--supervised", action="store_true", help=argparse.SUPPRESS)
        component.set_defaults(command=_run_component, component=name)
    return parser


def _add_up(commands: Any) -> None:
    up = commands.add_parser("up", help="run the whole server", description="Run the whole server on this machine.")
    _add_settings_options(up)
    up.add_argument("--processes", action="store_true", help="each component in a process of its own, behind Caddy")
    up.add_argument(
        "--replicas",
        type=_replicas,
        default={},
        metavar="NAME=N,…",
        help="with --processes: how many of each, for example roomserver=2,sync_api=2 (default: one of each)",
    )
    up.set_defaults(command=_up)


def _add_settings_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="the configuration (default: $PLEXUS_CONFIG)")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where the database and the keys are")
    parser.add_argument("--listen", metavar="HOST:PORT", help="where clients connect")
    parser.add_argument("--open-registration", action="store_true", help="anyone may make an account")
    parser.add_argument("--no-rate-limits", action="store_true", help="no limits on what one client may ask for")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="the least that is logged")


def _add_users(commands: Any) -> None:
    user = commands.add_parser("user", help="accounts: add, list, set-password, deactivate")
    actions = user.add_subparsers(metavar="ACTION", required=True)
    add = actions.add_parser("add", help="make an account; asks for the password")
    add.add_argument("user", help="localpart or whole user ID")
    add.add_argument("--admin", action="store_true", help="with the rights of an administrator")
    add.set_defaults(action="add")
    change = actions.add_parser("set-password", help="set a new password and log all devices out")
    change.add_argument("user", help="localpart or whole user ID")
    change.add_argument("--keep-devices", action="store_true", help="log no device out")
    change.set_defaults(action="set_password")
    for with_password in (add, change):
        with_password.add_argument(
            "--password-file", type=Path, metavar="FILE", help="read it from there (- = standard input)"
        )
    listing = actions.add_parser("list", help="all accounts")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(action="list")
    deactivate = actions.add_parser("deactivate", help="end an account for good; its name is never free again")
    deactivate.add_argument("user", help="localpart or whole user ID")
    deactivate.set_defaults(action="deactivate")
    for action in (add, change, listing, deactivate):
        _add_place_options(action)
        action.set_defaults(command=_user)


def _add_place_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="the configuration (default: $PLEXUS_CONFIG)")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="of the running server")


def _add_status(commands: Any) -> None:
    status = commands.add_parser("status", help="components, shards and their owners, lag")
    _add_place_options(status)
    status.add_argument("--json", action="store_true", help="for programs")
    status.set_defaults(command=_status)


def _add_reports(commands: Any) -> None:
    reports = commands.add_parser("reports", help="what users reported: events, rooms, other users")
    _add_place_options(reports)
    reports.add_argument("--days", type=int, default=7, metavar="N", help="today and the days before (default: 7)")
    reports.add_argument("--json", action="store_true", help="one JSON object a line")
    reports.set_defaults(command=_reports)


def _add_notices(commands: Any) -> None:
    notices = commands.add_parser("notices", help="tell users something, in a room of their own")
    actions = notices.add_subparsers(metavar="ACTION", required=True)
    send = actions.add_parser("send", help="send the text on standard input to a user, or to all")
    to = send.add_mutually_exclusive_group(required=True)
    to.add_argument("user", nargs="?", help="localpart or whole user ID")
    to.add_argument("--all", action="store_true", help="to everybody but guests")
    send.add_argument("--pin", action="store_true", help="pin it in place of what is pinned: clients show it in front")
    send.add_argument(
        "--type",
        default="org.plexus.notice",
        metavar="TYPE",
        help="for example m.server_notice.usage_limit_reached (default: org.plexus.notice)",
    )
    send.add_argument("--admin-contact", default="", metavar="URI", help="whom to ask, for example mailto:…")
    _add_place_options(send)
    send.set_defaults(command=_notices)


def _add_shards(commands: Any) -> None:
    shards = commands.add_parser("shards", help="which worker owns which shard: list, move, drain")
    actions = shards.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="every shard with its owner")
    listing.set_defaults(action="list")
    move = actions.add_parser("move", help="pin a shard to a worker, and wait until it serves there")
    move.add_argument("shard", help="room.0, user.3, …")
    move.add_argument("worker", help="its name, as `list` shows it; `auto`: where the shard falls by itself")
    move.set_defaults(action="move")
    drain = actions.add_parser("drain", help="have a worker give all its shards to others, before it is stopped")
    drain.add_argument("worker", help="its name, as `list` shows it")
    drain.add_argument("--undo", action="store_true", help="let it own shards again")
    drain.set_defaults(action="drain")
    for waiting in (move, drain):
        waiting.add_argument("--timeout", type=float, default=30.0, metavar="S", help="how long to wait (default: 30)")
    for action in (listing, move, drain):
        _add_place_options(action)
        action.add_argument("--json", action="store_true", help="for programs")
        action.set_defaults(command=_shards)


def _add_config(commands: Any) -> None:
    config = commands.add_parser("config", help="check the configuration, print an example or its documentation")
    actions = config.add_subparsers(metavar="ACTION", required=True)
    check = actions.add_parser("check", help="read the configuration as the server would")
    _add_settings_options(check)
    check.set_defaults(command=_config_check)
    example = actions.add_parser("example", help="print a file with every key at its default")
    example.set_defaults(command=_config_example)
    docs = actions.add_parser("docs", help="print docs/configuration.md")
    docs.set_defaults(command=_config_docs)
    development = actions.add_parser(
        "development", help="write a configuration for trying things out, if there is none"
    )
    development.add_argument("--data-dir", type=Path, default=Path("plexus-data"), metavar="DIR")
    development.set_defaults(command=_config_development)


def _add_routes(commands: Any) -> None:
    routes = commands.add_parser("routes", help="which component answers which path, as a proxy's configuration")
    routes.add_argument("--format", default="table", choices=("caddy", "json", "nginx", "table"))
    routes.add_argument("--listen", default="127.0.0.1:8008", metavar="HOST:PORT", help="where the proxy listens")
    routes.add_argument(
        "--upstream",
        action="append",
        default=[],
        metavar="COMPONENT=HOST:PORT,…",
        help="where the workers of a component are (default: their names in a cluster)",
    )
    routes.set_defaults(command=_routes)


def _add_schema(commands: Any) -> None:
    schema = commands.add_parser("schema", help="Cassandra's keyspace and tables: apply, check")
    actions = schema.add_subparsers(metavar="ACTION", required=True)
    for name, words in (
        ("apply", "make what is missing; before the first start and before each new version's"),
        ("check", "compare with what this version needs; changes nothing"),
    ):
        action = actions.add_parser(name, help=words)
        _add_settings_options(action)
        action.set_defaults(command=_schema, action=name)


def _replicas(text: str) -> dict[str, int]:
    replicas = {}
    for part in text.split(","):
        name, _, count = part.partition("=")
        if name not in COMPONENTS or not count.isdigit() or not 1 <= int(count) <= 64:
            raise argparse.ArgumentTypeError(f"{part!r}: write NAME=N, NAME one of {', '.join(COMPONENTS)}, N 1 to 64")
        replicas[name] = int(count)
    return replicas


# --- commands -------------------------------------------------------------------------------------------------------


def _settings(options: argparse.Namespace) -> Settings:
    """The configuration with the options of the command line over it; ends the program if it cannot be used."""
    from service_kit.config import ConfigError, load_settings

    overrides: dict[str, Any] = {}
    if options.data_dir is not None:
        overrides["data_dir"] = options.data_dir
    if getattr(options, "listen", None) is not None:
        overrides["listen"] = options.listen
    if getattr(options, "open_registration", False):
        overrides["registration"] = {"mode": "open"}
    if getattr(options, "no_rate_limits", False):
        overrides["rate_limits"] = {"enabled": False}
    if getattr(options, "log_level", None) is not None:
        overrides["log"] = {"level": options.log_level}
    try:
        return load_settings(options.config, overrides)
    except ConfigError as error:
        raise SystemExit(_complain(str(error))) from None


def _complain(message: str) -> int:
    for line in message.splitlines():
        print(f"plexus: {line}", file=sys.stderr)
    return USAGE_ERROR


def _up(options: argparse.Namespace) -> int:
    settings = _settings(options)
    if options.replicas and not options.processes:
        return _complain("--replicas needs --processes")
    if options.processes:
        from homeserver.processes import run_processes

        return run_processes(settings, options.config, options.replicas)
    from homeserver.running import run_all_in_one

    return run_all_in_one(settings)


def _run_component(options: argparse.Namespace) -> int:
    settings = _settings(options)
    from homeserver.running import run_component

    name = options.name or f"{options.component}-{socket.gethostname()}-{os.getpid()}"
    return run_component(settings, options.component, name, supervised=options.supervised)


def _user(options: argparse.Namespace) -> int:
    settings = _settings(options)
    from homeserver.users import run_user_action

    return run_user_action(settings, options)


def _reports(options: argparse.Namespace) -> int:
    settings = _settings(options)
    from homeserver.reports import run_reports

    return run_reports(settings, options)


def _notices(options: argparse.Namespace) -> int:
    settings = _settings(options)
    from homeserver.notices import run_notices

    return run_notices(settings, options)


def _status(options: argparse.Namespace) -> int:
    settings = _settings(options)
    from homeserver.status import print_status

    return print_status(settings, as_json=options.json)


def _shards(options: argparse.Namespace) -> int:
    settings = _settings(options)
    from homeserver.shards import run_shards_action

    return run_shards_action(settings, options)


def _config_check(options: argparse.Namespace) -> int:
    settings = _settings(options)
    print(f"The configuration is good: {settings.server_name} on {settings.listen}, data in {settings.data_dir}")
    return 0


def _config_example(options: argparse.Namespace) -> int:
    from homeserver.config_docs import example

    print(example(), end="")
    return 0


def _config_docs(options: argparse.Namespace) -> int:
    from homeserver.config_docs import markdown

    print(markdown(), end="")
    return 0


def _config_development(options: argparse.Namespace) -> int:
    path = options.data_dir / "plexus.yaml"
    if path.exists():
        return 0
    from homeserver.config_docs import development
    from homeserver.data_directory import DataDirectory

    DataDirectory(options.data_dir).make()
    path.write_text(development(options.data_dir), "utf-8")
    print(f"Wrote {path}: registration is open, for this machine only")
    return 0


def _schema(options: argparse.Namespace) -> int:
    settings = _settings(options)
    from homeserver.schema import run_schema_action

    return run_schema_action(settings, options.action)


def _routes(options: argparse.Namespace) -> int:
    from homeserver.routes import example_upstreams, render

    upstreams = dict(example_upstreams())
    for text in options.upstream:
        component, _, addresses = text.partition("=")
        if component not in upstreams or not addresses:
            return _complain(f"--upstream {text}: write COMPONENT=HOST:PORT, COMPONENT one of {', '.join(upstreams)}")
        upstreams[component] = addresses.split(",")
    print(render(options.format, options.listen, upstreams), end="")
    return 0
