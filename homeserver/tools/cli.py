"""`plexus tools …`: the commands' options. Imports next to nothing, as `homeserver.cli`."""

from __future__ import annotations

import argparse
from typing import Any


def add_tools(commands: Any) -> None:
    tools = commands.add_parser("tools", help="check a recorded room, print the table of room versions")
    actions = tools.add_subparsers(metavar="TOOL", required=True)
    _add_check_room(actions)
    _add_room_versions(actions)


def _add_check_room(actions: Any) -> None:
    check = actions.add_parser(
        "check-room",
        help="check the events and state resolutions of a recorded room",
        description="Checks format, event ID, signatures, content hash and auth rules of every event, and resolves"
        " every recorded conflict. Status 0: all is right. 1: something is not. 2: the file is no room."
        " homeserver/tools/room_file.py describes the format. Times are CPU ms with warm kernels.",
    )
    check.add_argument("file", metavar="FILE", help="JSON lines, perhaps gzipped (- = standard input)")
    check.add_argument("--json", action="store_true", help="one JSON object, for programs")
    check.add_argument("--reference", action="store_true", help="resolve by the plain reference, not by the kernels")
    check.add_argument(
        "--shuffle",
        "--order-seed",
        type=int,
        metavar="SEED",
        help="take events and state sets in another order, which must not matter",
    )
    check.set_defaults(command=_check_room)


def _check_room(options: argparse.Namespace) -> int:
    from homeserver.tools.check_room import run_check_room

    return run_check_room(options.file, as_json=options.json, reference=options.reference, shuffle_seed=options.shuffle)


def _add_room_versions(actions: Any) -> None:
    versions = actions.add_parser("room-versions", help="what each room version changed")
    layout = versions.add_mutually_exclusive_group()
    for name in ("markdown", "json"):
        layout.add_argument(f"--{name}", action="store_const", const=name, dest="layout", default="text")
    versions.set_defaults(command=_room_versions)


def _room_versions(options: argparse.Namespace) -> int:
    from homeserver.tools.room_versions import run_room_versions

    return run_room_versions(options.layout)
