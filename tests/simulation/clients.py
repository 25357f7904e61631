"""Clients as they are: they send again what was not answered, with the same transaction ID, and follow /sync anywhere.

What a client believes (`Seen`) is made of its /sync answers alone, and of /messages where a timeline was limited.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import orjson

if TYPE_CHECKING:
    from tests.simulation.cluster import Cluster
    from tests.simulation.trace import Trace

V3 = "/_matrix/client/v3"
PASSWORD = "correct horse battery"
REQUEST_TIMEOUT_S = 35.0
COUNTER = "org.example.counter"
ALIASES = 4
LATER_MS_MAX = 8000


class Answer(NamedTuple):
    status: int
    json: Any


class Acknowledged(NamedTuple):
    room_id: str
    event_id: str
    event_type: str
    client_txn_id: str
    """"" for state"""


class Claimed(NamedTuple):
    """An alias that was set, and answered with yes."""

    alias: str
    room_id: str
    user_id: str


class PutOff(NamedTuple):
    """An event that the server was to send later, and said it would."""

    delay_id: str
    room_id: str
    text: str
    action: str
    """what was done with it then, and answered with yes: "", "send" or "cancel\""""


class Seen:
    """One room as one client sees it."""

    def __init__(self) -> None:
        self.event_ids: list[str] = []
        self.known: set[str] = set()
        self.state: dict[tuple[str, str], str] = {}
        self.is_joined = False


class Client:
    """One device."""

    def __init__(self, cluster: Cluster, trace: Trace, rng: random.Random, name: str) -> None:
        self.cluster = cluster
        self.trace = trace
        self.rng = rng
        self.name = name
        self.user_id = ""
        self.device_id = ""
        self.acknowledged: list[Acknowledged] = []
        self.claimed: list[Claimed] = []
        self.put_off: list[PutOff] = []
        self.seen: dict[str, Seen] = {}
        self.since = ""
        self.counter = 0
        """what it set its account data to, last"""
        self.counter_seen = 0
        self.timeline_limit = rng.choice((1, 3, 10, 10))
        self._headers = [(b"host", b"example.org")]
        self._txn_ids = 0

    # --- requests

    async def request(
        self, method: str, path: str, body: object = None, *, component: str = "api_gateway", timeout_s: float = 35.0
    ) -> Answer:
        """One attempt, at any process. Raises ConnectionError, TimeoutError."""
        nodes = self.cluster.fronts(component)
        if not nodes:
            await asyncio.sleep(0.1)
            raise ConnectionError("the proxy has nowhere to send this")
        node = self.rng.choice(nodes)
        content = b"" if body is None else orjson.dumps(body)
        async with asyncio.timeout(timeout_s):
            full_path = path if path.startswith("/_matrix") else V3 + path
            status, answer = await self.cluster.request(node, method, full_path, content, self._headers)
        return Answer(status, orjson.loads(answer) if answer else None)

    async def insist(
        self, method: str, path: str, body: object = None, *, refusals: Sequence[int] = (403, 404), **more: Any
    ) -> Answer:
        """The same request until it is answered, by yes or by no."""
        while True:
            try:
                answer = await self.request(method, path, body, **more)
            except (ConnectionError, TimeoutError) as error:
                self.trace.add("client", f"{self.name} {method} {path[:60]}: {type(error).__name__}, again")
            else:
                if answer.status < 500 and answer.status != 429:
                    if answer.status not in (200, *refusals):
                        self.trace.violation("no surprise", f"{self.name} {method} {path}: {answer}")
                    return answer
                self.trace.add("client", f"{self.name} {method} {path[:60]}: {answer.status}, again")
            await asyncio.sleep(self.rng.uniform(0.02, 0.3))

    async def register(self) -> None:
        body = {"username": self.name, "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        session = (await self.insist("POST", "/register", body)).json
        self.user_id, self.device_id = session["user_id"], session["device_id"]
        self._headers.append((b"authorization", b"Bearer " + session["access_token"].encode()))

    async def create_room(self) -> str:
        return str((await self.insist("POST", "/createRoom", {"preset": "public_chat"})).json["room_id"])

    # --- what it does

    async def send(self, room_id: str) -> None:
        self._txn_ids += 1
        txn_id = f"{self.name}-{self._txn_ids}"
        path = f"/rooms/{quote(room_id)}/send/m.room.message/{txn_id}"
        body = {"msgtype": "m.text", "body": txn_id}
        delays = [0.0]
        while self.rng.random() < 0.15:  # an impatient one does not wait for the answer before it asks again
            delays.append(self.rng.choice((0.0, 0.01, 0.05, 0.5, 2.0)))
        answers = await asyncio.gather(*(self._insist_after(delay, "PUT", path, body) for delay in delays))
        self._acknowledge(room_id, "m.room.message", txn_id, answers[0])
        made = {answer.json["event_id"] for answer in answers if answer.status == 200}
        if len(made) > 1:
            self.trace.violation("one event for a transaction", f"{txn_id}: {sorted(made)}")

    async def _insist_after(self, delay_s: float, method: str, path: str, body: object) -> Answer:
        await asyncio.sleep(delay_s)
        return await self.insist(method, path, body)

    async def send_later(self, room_id: str) -> None:
        """And perhaps put it off once more, and perhaps think better of it."""
        self._txn_ids += 1
        text = f"{self.name} later {self._txn_ids}"
        delay_ms = self.rng.choice((50, 500, 3000, LATER_MS_MAX))
        path = f"/rooms/{quote(room_id)}/send/m.room.message/later{self._txn_ids}?org.matrix.msc4140.delay={delay_ms}"
        answer = await self.insist("PUT", path, {"msgtype": "m.text", "body": text}, refusals=(403,))
        self.trace.add("client", f"{self.name} puts off {text!r} by {delay_ms} ms: {answer.status}")
        if answer.status != 200:
            return
        delay_id, done = answer.json["delay_id"], ""
        action = self.rng.choice(("", "", "restart", "send", "cancel"))
        if action:
            await asyncio.sleep(self.rng.choice((0.0, 0.05, 0.5)))
            # It may have been sent meanwhile (409), or the client left the room (403).
            path = f"/_matrix/client/unstable/org.matrix.msc4140/delayed_events/{delay_id}/{action}"
            answer = await self.insist("POST", path, refusals=(403, 409))
            self.trace.add("client", f"{self.name} {action} {text!r}: {answer.status}")
            done = action if answer.status == 200 and action != "restart" else ""
        self.put_off.append(PutOff(delay_id, room_id, text, done))

    async def set_topic(self, room_id: str) -> None:
        self._txn_ids += 1
        body = {"topic": f"{self.name} {self._txn_ids}"}
        answer = await self.insist("PUT", f"/rooms/{quote(room_id)}/state/m.room.topic/", body)
        self._acknowledge(room_id, "m.room.topic", "", answer)

    async def join(self, room_id: str) -> None:
        answer = await self.insist("POST", f"/rooms/{quote(room_id)}/join", {})
        self.trace.add("client", f"{self.name} joins {room_id[:8]}: {answer.status}")

    async def leave(self, room_id: str) -> None:
        answer = await self.insist("POST", f"/rooms/{quote(room_id)}/leave", {})
        self.trace.add("client", f"{self.name} leaves {room_id[:8]}: {answer.status}")

    async def kick(self, room_id: str, user_id: str) -> None:
        answer = await self.insist("POST", f"/rooms/{quote(room_id)}/kick", {"user_id": user_id})
        self.trace.add("client", f"{self.name} kicks {user_id} from {room_id[:8]}: {answer.status}")

    async def claim(self, room_id: str) -> None:
        """One of a few aliases, which others want, too; or give it back."""
        alias = f"#alias{self.rng.randrange(ALIASES)}:example.org"
        path = f"/directory/room/{quote(alias)}"
        if self.rng.random() < 0.3:
            answer = await self.insist("DELETE", path)
            words = "gives back"
        else:
            answer = await self.insist("PUT", path, {"room_id": room_id}, refusals=(403, 409))
            words = "claims"
            if answer.status == 200:
                self.claimed.append(Claimed(alias, room_id, self.user_id))
        self.trace.add("client", f"{self.name} {words} {alias} for {room_id[:8]}: {answer.status}")

    async def show(self, room_id: str) -> None:
        """The room in the directory, or not."""
        body = {"visibility": self.rng.choice(("public", "private"))}
        answer = await self.insist("PUT", f"/directory/list/room/{quote(room_id)}", body)
        self.trace.add("client", f"{self.name} makes {room_id[:8]} {body['visibility']}: {answer.status}")

    async def count(self) -> None:
        self.counter += 1
        path = f"/user/{quote(self.user_id)}/account_data/{COUNTER}"
        await self.insist("PUT", path, {"n": self.counter})

    def _acknowledge(self, room_id: str, event_type: str, txn_id: str, answer: Answer) -> None:
        words = answer.json.get("event_id", answer.json.get("errcode"))
        self.trace.add("client", f"{self.name} {event_type} {txn_id} in {room_id[:8]}: {answer.status} {words}")
        if answer.status == 200:
            self.acknowledged.append(Acknowledged(room_id, answer.json["event_id"], event_type, txn_id))

    # --- what it sees

    async def sync(self, timeout_ms: int) -> None:
        """One answer of /sync, taken in. Raises ConnectionError, TimeoutError."""
        sync_filter = quote(f'{{"room":{{"timeline":{{"limit":{self.timeline_limit}}}}}}}')
        path = f"/sync?timeout={timeout_ms}&filter={sync_filter}" + (f"&since={self.since}" if self.since else "")
        answer = await self.request("GET", path, component="sync_api", timeout_s=timeout_ms / 1000 + 20)
        if answer.status != 200:
            if answer.status < 500 and answer.status != 429:
                self.trace.violation("no surprise", f"{self.name} GET {path}: {answer}")
            raise ConnectionError(f"/sync answered {answer.status}")
        body = answer.json
        rooms = body.get("rooms", {})
        gaps = []
        for kind in ("join", "leave"):
            for room_id, room in rooms.get(kind, {}).items():
                gaps.append((kind, room_id, room, await self._missing(room_id, room)))
        words = [self._take(kind, room_id, room, missing) for kind, room_id, room, missing in gaps]
        for event in body.get("account_data", {}).get("events", ()):
            if event["type"] == COUNTER:
                self.counter_seen = event["content"]["n"]
        self.trace.add("sync", f"{self.name} {self.since} -> {body['next_batch']}: {', '.join(words)}")
        self.since = body["next_batch"]

    async def _missing(self, room_id: str, room: Any) -> list[str]:
        """The events that a limited timeline leaves out, back to the last one known."""
        seen = self.seen.get(room_id)
        timeline = room.get("timeline", {})
        if not timeline.get("limited") or seen is None or not seen.event_ids:
            return []
        last, start, found = seen.event_ids[-1], timeline["prev_batch"], []
        while start:
            path = f"/rooms/{quote(room_id)}/messages?dir=b&limit=5&from={start}"
            page = await self.insist("GET", path)
            if page.status != 200:
                self.trace.violation("no surprise", f"{self.name} GET {path}: {page}")
                return []
            for event in page.json["chunk"]:
                if event["event_id"] == last:
                    return found[::-1]
                found.append(event["event_id"])
            start = page.json.get("end", "")
        self.trace.violation("nothing is skipped", f"{self.name} finds no way back to {last} in {room_id}")
        return []

    def _take(self, kind: str, room_id: str, room: Any, missing: list[str]) -> str:
        seen = self.seen.setdefault(room_id, Seen())
        seen.is_joined = kind == "join"
        for event in room.get("state", {}).get("events", ()):
            seen.state[event["type"], event["state_key"]] = event["event_id"]
        events = room.get("timeline", {}).get("events", ())
        for event in events:
            if "state_key" in event:
                seen.state[event["type"], event["state_key"]] = event["event_id"]
        for event_id in [*missing, *(event["event_id"] for event in events)]:
            if event_id in seen.known:
                self.trace.violation("nothing is doubled", f"{self.name} is told {event_id} of {room_id} twice")
            seen.known.add(event_id)
            seen.event_ids.append(event_id)
        limited = "limited " if room.get("timeline", {}).get("limited") else ""
        return f"{kind} {room_id[:8]} {len(missing)} missing, {limited}timeline of {len(events)}"

    def begin_anew(self) -> None:
        """A client that lost its data."""
        self.since = ""
        self.seen.clear()
