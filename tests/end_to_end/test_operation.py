"""What an operator does beside the server."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.end_to_end.client import Client, Refused, bodies
from tests.end_to_end.conftest import TWO_OF_EACH
from tests.end_to_end.server import ROOT, PlexusServer, read_url

pytestmark = pytest.mark.slow


async def test_users_are_added_listed_changed_and_deactivated(server: PlexusServer) -> None:
    assert (
        server.plexus("user", "add", "olga", "--admin", "--password-file", "-", input_text="first secret\n").returncode
        == 0
    )
    listed = [json.loads(line) for line in server.plexus("user", "list", "--json").stdout.splitlines()]
    assert [(user["admin"], user["deactivated"]) for user in listed if user["user_id"] == "@olga:localhost"] == [
        (True, False)
    ]
    async with Client(server.base_url) as olga:
        await olga.log_in("olga", "first secret")
        changed = server.plexus(
            "user", "set-password", "@olga:localhost", "--password-file", "-", input_text="second secret"
        )
        assert changed.returncode == 0, changed.stderr
        with pytest.raises(Refused, match="M_UNKNOWN_TOKEN"):
            await olga.request("GET", "/account/whoami")
        with pytest.raises(Refused, match="M_FORBIDDEN"):
            await olga.log_in("olga", "first secret")
    async with Client(server.base_url) as olga:
        await olga.log_in("olga", "second secret")
        assert server.plexus("user", "deactivate", "olga").returncode == 0
        with pytest.raises(Refused, match="M_UNKNOWN_TOKEN"):
            await olga.request("GET", "/account/whoami")


def test_adding_a_user_twice_is_refused(one_process: PlexusServer) -> None:
    assert one_process.plexus("user", "add", "pia", "--password-file", "-", input_text="a long secret").returncode == 0
    again = one_process.plexus("user", "add", "pia", "--password-file", "-", input_text="a long secret")
    assert again.returncode == 1
    assert "M_USER_IN_USE" in again.stderr


def test_status_names_every_shard_and_its_owner(server: PlexusServer) -> None:
    status = json.loads(server.plexus("status", "--json").stdout)
    assert {component["component"] for component in status["components"]} >= {"roomserver", "userserver"}
    assert all(component["ready"] for component in status["components"])
    assert sorted(shard["shard"] for shard in status["shards"]) == sorted(
        f"{kind}.{number}" for kind in ("room", "user") for number in range(8)
    )
    assert all(shard["owner"] and shard["lag"] == 0 for shard in status["shards"])
    table = server.plexus("status").stdout
    assert "room.0" in table


def test_every_process_answers_for_its_health(server: PlexusServer) -> None:
    processes = server.running()
    assert processes
    for process in processes:
        assert read_url(process["telemetry_url"] + "/livez")[0] == 200
        assert read_url(process["telemetry_url"] + "/readyz")[0] == 200
        status, metrics = read_url(process["telemetry_url"] + "/metrics")
        assert status == 200
        assert "process_resident_memory_bytes" in metrics


def test_a_second_server_on_the_same_data_directory_is_refused(one_process: PlexusServer) -> None:
    second = one_process.plexus("up", "--listen", "127.0.0.1:0")
    assert second.returncode == 1
    assert "in use by process" in second.stderr


def test_signing_keys_and_run_directory_are_for_the_owner_alone(one_process: PlexusServer) -> None:
    for path in (one_process.data_dir / "signing_keys").glob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(one_process.data_dir.stat().st_mode) == 0o700


def test_help_is_quick() -> None:
    before = os.times().children_user
    assert subprocess.run(
        [sys.executable, "-m", "homeserver", "--help"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    assert os.times().children_user - before < 0.3, "of CPU; the wall clock depends on who else is at work"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_first_chat_in_the_readme_works(new_server: PlexusServer, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    script = next(block for block in blocks if "/createRoom" in block)
    new_server.start()
    script = script.replace("http://127.0.0.1:8008", new_server.base_url)
    done = subprocess.run(
        ["bash", "-eu", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Hello, Bob" in done.stdout.splitlines()[-1]


async def test_operators_send_notices_and_read_reports(tmp_path: Path) -> None:
    environment = {"PLEXUS_SERVER_NOTICES__LOCALPART": "server"}
    server = PlexusServer(tmp_path, *TWO_OF_EACH, environment=environment)
    try:
        server.start()
        async with Client(server.base_url) as alice, Client(server.base_url) as bob:
            await alice.register("alice")
            await bob.register("bob")
            settings = tmp_path / "notices.yaml"
            settings.write_text("server_notices: {localpart: server}\n")
            send = ("notices", "send", "--config", str(settings))
            for user in ("alice", "--all"):
                sent = server.plexus(*send, user, input_text="The server moves tonight")
                assert sent.returncode == 0, sent.stderr
            assert "sent to 2 users" in sent.stdout
            for client, notices in ((alice, 2), (bob, 1)):
                (room_id,) = (await client.sync())["rooms"]["invite"]
                with pytest.raises(Refused, match="M_CANNOT_LEAVE_SERVER_NOTICE_ROOM"):
                    await client.request("POST", f"/rooms/{quote(room_id)}/leave", {})
                await client.join(room_id)
                events = await client.all_messages(room_id)
                assert bodies(events) == ["The server moves tonight"] * notices
            await bob.request("POST", f"/rooms/{quote(room_id)}/report", {"reason": "who is this?"})
            reports = server.plexus("reports", "--json")
            assert [json.loads(line)["reporter"] for line in reports.stdout.splitlines()] == [bob.user_id]
    finally:
        server.close()
