"""Two instances on one PostgreSQL and one Redis: together they keep what one alone promises."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed

from harness.testing.proxy_servers import running_server
from harness.testing.reference_chat import ReferenceChat, WireDevice, free_port, reference_chat

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

RECOVERS_WITHIN_S = 15.0


@dataclass(frozen=True)
class Link:
    """A proxy in front of a server, to be cut and healed."""

    api: httpx2.Client
    name: str
    port: int

    def cut(self) -> None:
        """Refuse and break connections."""
        self.api.post(f"/proxies/{self.name}", json={"enabled": False}).raise_for_status()

    def swallow(self) -> None:
        """Leave connections open and let nothing through, in neither direction."""
        for stream in ("upstream", "downstream"):
            toxic = {"name": stream, "type": "timeout", "stream": stream, "attributes": {"timeout": 0}}
            self.api.post(f"/proxies/{self.name}/toxics", json=toxic).raise_for_status()

    def heal(self) -> None:
        """Let everything through."""
        self.api.post("/reset").raise_for_status()


@dataclass(frozen=True)
class Cluster:
    """Two instances, and their links to what they share."""

    one: ReferenceChat
    two: ReferenceChat
    db: Link
    cache: Link


Start = Callable[..., Cluster]


@pytest.fixture
def start(tmp_path: Path, data: Any) -> Iterator[Start]:
    """Start two instances at once on an empty database, behind proxies."""
    with ExitStack() as stack:
        server = stack.enter_context(running_server("embedded"))
        api = stack.enter_context(httpx2.Client(base_url=server.url, trust_env=False))

        def link(name: str, port: int) -> Link:
            wanted = {"name": name, "listen": f"127.0.0.1:{free_port()}", "upstream": f"127.0.0.1:{port}"}
            made = api.post("/proxies", json=wanted).raise_for_status().json()
            return Link(api, name, int(made["listen"].rpartition(":")[2]))

        def begin(name: str, settings: dict[str, str]) -> ReferenceChat:
            folder = tmp_path / name
            folder.mkdir()
            return stack.enter_context(reference_chat(folder, **settings))

        def start(**settings: str) -> Cluster:
            db, cache = link("db", data.postgres.port), link("cache", data.redis.port)
            direct = data.settings()["DB"].rpartition("/")[2]
            shared = {"DB": data.postgres.url(direct, port=db.port), "CACHE": f"redis://127.0.0.1:{cache.port}"}
            with ThreadPoolExecutor(2) as both:
                one, two = both.map(lambda name: begin(name, shared | settings), ("one", "two"))
            return Cluster(one, two, db, cache)

        yield start


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something that other processes do has happened."""
    end = time.monotonic() + RECOVERS_WITHIN_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def healthy(chat: ReferenceChat) -> bool:
    """Tell whether an instance says that it is well."""
    return chat.http.get(f"{chat.url}/healthz").status_code == 200


def say_until_stored(device: WireDevice, to: str, name: str) -> dict[str, Any]:
    """Repeat a send, as a client does, until it is acknowledged."""
    end = time.monotonic() + RECOVERS_WITHIN_S
    while (answer := device.say(to, name, name))["type"] != "ack":
        assert (answer["code"], time.monotonic() < end) == ("unavailable", True)
        time.sleep(0.1)
    return answer


def test_messages_and_receipts_cross(start: Start) -> None:
    """What is sent at one instance is live at the other in order, on every device but the sending one."""
    chats = start()
    alice, bob = chats.one.device("alice"), chats.two.device("bob")
    laptop = chats.two.device("alice", "laptop")
    acks = [alice.say("bob", f"{number}") for number in range(20)]
    frames = [bob.next() for _ in acks]
    assert [frame["body"] for frame in frames] == [f"{number}" for number in range(20)]
    assert [frame["message_id"] for frame in frames] == [ack["message_id"] for ack in acks]
    assert [laptop.next()["body"] for _ in acks] == [f"{number}" for number in range(20)]
    assert bob.ask("receipt", message_id=acks[0]["message_id"], state="read")["type"] == "ok"
    told = {"type": "receipt", "message_id": acks[0]["message_id"], "state": "read", "by": "bob", "device": "phone"}
    assert [alice.next(), laptop.next()] == [told, told]
    assert alice.waiting() == []


def test_a_message_to_a_device_crosses_and_is_confirmed_anywhere(start: Start) -> None:
    """The instance that has the device looks for it each second; what was confirmed there comes at no other one."""
    chats = start()
    token, bob = chats.one.login("alice")["token"], chats.two.device("bob")
    wanted = {"to": "bob", "device": "phone", "id": "k", "body": "key"}
    assert chats.one.ask("POST", "device-messages", token, wanted).status_code == 201
    assert bob.next()["id"] == "k"
    assert bob.ask("confirm", sender="alice", id="k")["type"] == "ok"
    assert chats.two.ask("POST", "device-messages", token, wanted).status_code == 200
    assert chats.one.device("bob").waiting() == []


def test_a_send_is_one_message_whichever_instances_it_is_repeated_at(start: Start) -> None:
    """The same id through both at once is stored once, and everybody gets the same answer."""
    chats = start()
    chats.two.login("bob")
    token = chats.one.login("alice")["token"]

    def send(chat: ReferenceChat, number: int) -> str:
        with httpx2.Client(trust_env=False, timeout=30) as http:
            draft = {"client_message_id": f"same {number}", "body": "once", "to": "bob"}
            headers = {"Authorization": f"Bearer {token}"}
            answer = http.post(f"{chat.url}/v1/messages", json=draft, headers=headers).raise_for_status()
            return str(answer.json()["message_id"])

    with ThreadPoolExecutor(8) as senders:
        sends = [senders.submit(send, chat, n) for n in range(10) for chat in (chats.one, chats.two) * 2]
        ids = {sent.result() for sent in sends}
    items = chats.one.archive("bob")["items"]
    assert {item["message_id"] for item in items} == ids
    assert [item["seq"] for item in items] == list(range(1, 11))


def test_no_reader_passes_a_message_that_is_committed_later(start: Start) -> None:
    """Cursors that are followed while many send at both instances skip nothing, and live frames neither."""
    chats = start()
    senders, each = 6, 40
    tokens = [chats.one.login(f"sender{number}")["token"] for number in range(senders)]
    bob, eve = chats.one.login("bob")["token"], chats.two.login("bob", "laptop")["token"]
    live = chats.two.connect(eve)
    done = threading.Event()

    def send(number: int) -> None:
        device = (chats.one, chats.two)[number % 2].connect(tokens[number])
        for message in range(each):
            assert say_until_stored(device, "bob", f"{number}-{message}")["seq"] == message + 1

    def follow(chat: ReferenceChat) -> list[str]:
        seen: list[str] = []
        cursor, last = "0", False
        with httpx2.Client(trust_env=False, timeout=30, headers={"Authorization": f"Bearer {bob}"}) as http:
            while not last:
                last = done.is_set()
                page = http.get(f"{chat.url}/v1/archive", params={"cursor": cursor, "limit": 7})
                cursor = page.raise_for_status().json()["cursor"]
                seen += [item["body"] for item in page.json()["items"]]
                last = last and not page.json()["more"]
        return seen

    with ThreadPoolExecutor(senders + 2) as threads:
        readers = [threads.submit(follow, chat) for chat in (chats.one, chats.two)]
        try:
            list(threads.map(send, range(senders)))
        finally:
            done.set()
        seen = [reader.result() for reader in readers]
    stored = [item["body"] for item in live.feed()]
    assert sorted(stored) == sorted(f"{number}-{message}" for number in range(senders) for message in range(each))
    assert seen == [stored, stored]
    assert [live.next()["body"] for _ in stored] == stored


def test_one_instance_goes_on_without_the_other(start: Start) -> None:
    """After ``kill -9`` of one, its devices find everything that was acknowledged at the other, live from then on."""
    chats = start()
    token = chats.one.login("bob")["token"]
    alice, bob = chats.two.device("alice"), chats.one.connect(token)
    first = chats.one.device("carol").say("bob", "first")
    assert bob.next()["message_id"] == first["message_id"]
    chats.one.end(signal.SIGKILL)
    second = alice.say("bob", "second")
    bob = chats.two.connect(token)
    assert [item["message_id"] for item in bob.feed()] == [first["message_id"], second["message_id"]]
    assert alice.say("bob", "third")["message_id"] == bob.next()["message_id"]


@pytest.mark.parametrize("how", ["cut", "swallow"])
def test_what_the_cache_loses_reaches_connected_devices(start: Start, how: str) -> None:
    """With the cache gone messages and receipts arrive late, in order and once; healed, at once again."""
    chats = start()
    alice, bob = chats.one.device("alice"), chats.two.device("bob")
    alice.say("bob", "before")
    getattr(chats.cache, how)()
    ids = [alice.say("bob", f"during {number}")["message_id"] for number in range(5)]
    assert [bob.next()["body"] for _ in range(6)] == ["before", *(f"during {number}" for number in range(5))]
    bob.ask("receipt", message_id=ids[-1], state="delivered")
    assert alice.next()["message_id"] == ids[-1]
    wait_until(lambda: not healthy(chats.one) and not healthy(chats.two))
    chats.cache.heal()
    wait_until(lambda: healthy(chats.one) and healthy(chats.two))
    alice.say("bob", "after")
    assert bob.next()["body"] == "after"
    assert bob.waiting() == []
    assert [item["seq"] for item in bob.feed()] == list(range(1, 8))


@pytest.mark.parametrize("how", ["cut", "swallow"])
def test_nothing_is_acknowledged_without_the_database(start: Start, how: str) -> None:
    """Sends are answered ``unavailable`` soon, health is 503; healed, repeats are stored once."""
    chats = start()
    token = chats.one.login("alice")["token"]
    alice, bob = chats.one.connect(token), chats.two.device("bob")
    alice.say("bob", "before")
    getattr(chats.db, how)()
    for number in range(3):
        began = time.monotonic()
        refused = alice.say("bob", f"lost {number}", f"lost {number}")
        assert (refused["type"], refused["code"]) == ("error", "unavailable")
        assert time.monotonic() - began < 8
    assert chats.one.post(token, to="bob").status_code == 503
    assert chats.two.ask("GET", "archive", token).status_code == 503
    assert not healthy(chats.one)
    chats.db.heal()
    stored = [say_until_stored(alice, "bob", f"lost {number}") for number in range(3)]
    wait_until(lambda: healthy(chats.one) and healthy(chats.two))
    assert [bob.next()["body"] for _ in range(4)] == ["before", "lost 0", "lost 1", "lost 2"]
    assert [ack["seq"] for ack in stored] == [2, 3, 4]


def test_a_database_that_is_cut_in_mid_storm_loses_nothing_acknowledged(start: Start) -> None:
    """Whatever was acknowledged before, during and after is stored once, and live at the other instance in order."""
    chats = start()
    bob = chats.two.device("bob")
    alice = chats.one.device("alice")
    names = [f"{number}" for number in range(120)]
    cutter = threading.Timer(0.3, chats.db.swallow)
    healer = threading.Timer(3, chats.db.heal)
    for timer in (cutter, healer):
        timer.start()
    for name in names:
        say_until_stored(alice, "bob", name)
    healer.join()
    assert [bob.next()["body"] for _ in names] == names
    assert [item["body"] for item in bob.feed(limit=500)] == names


def test_a_revoked_token_ends_sessions_at_the_other_instance(start: Start) -> None:
    """Told by the cache or found in the database, a session is closed with 4002; a send with it is not stored."""
    chats = start()
    for cut in (False, True):
        token = chats.two.login("alice")["token"]
        device = chats.two.connect(token)
        if cut:
            chats.cache.cut()
        assert chats.one.control("POST", "tokens/revoke", {"user": "alice"})["count"] >= 1
        assert chats.two.post(token, to="alice").status_code == 401
        with pytest.raises(ConnectionClosed):
            device.next()
        assert device.socket.close_code == 4002


def test_a_device_has_one_session_in_all(start: Start) -> None:
    """Connecting to one instance closes the connection that the device has to the other."""
    chats = start()
    token = chats.one.login("bob")["token"]
    old = chats.one.connect(token)
    new = chats.two.connect(token)
    with pytest.raises(ConnectionClosed):
        old.next()
    assert old.socket.close_code == 4000
    chats.one.device("alice").say("bob", "hello")
    assert new.next()["body"] == "hello"


def test_limits_hold_for_both_together(start: Start) -> None:
    """A limit that is set at one instance holds at the other, and sends at either count."""
    chats = start()
    token = chats.one.login("alice")["token"]
    assert chats.one.control("PUT", "limits", {"per_user": 3}) == chats.two.control("GET", "limits")
    statuses = [chat.post(token, to="alice").status_code for chat in (chats.one, chats.two) * 5]
    assert statuses[:3] == [201] * 3
    assert statuses.count(429) >= 4
    chats.two.control("PUT", "limits", {})
    assert chats.one.post(token, to="alice").status_code == 201


def test_pushes_are_made_once_for_devices_that_no_instance_reaches(start: Start, provider: Any) -> None:
    """A device that is live at the other instance gets no push; one that is away gets one."""
    chats = start(PUSH=provider.url)
    bob = chats.two.device("bob")
    for device in ("phone", "tablet"):
        token = chats.two.login("bob", device)["token"]
        assert chats.two.ask("PUT", "push-token", token, {"token": f"push-{device}"}).status_code == 200
    alice = chats.one.device("alice")
    acks = [alice.say("bob", f"{number}") for number in range(5)]
    assert [bob.next()["message_id"] for _ in acks] == [ack["message_id"] for ack in acks]
    pushes = provider.wait(5, "push-tablet")
    assert sorted(push["message_id"] for push in pushes) == sorted(ack["message_id"] for ack in acks)
    wait_until(lambda: chats.one.control("GET", "push-tokens")["jobs"] == 0)
    assert (len(provider.of("push-phone")), len(provider.of("push-tablet"))) == (0, 5)


def test_pushes_of_an_instance_that_died_are_made_by_the_other(start: Start, provider: Any) -> None:
    """What waits at a killed instance is adopted, and the provider hears of each message."""
    chats = start(PUSH=provider.url)
    provider.script["push-bob"] = [(503, "2")] * 3 + [(200, "")]
    token = chats.one.login("bob")["token"]
    assert chats.one.ask("PUT", "push-token", token, {"token": "push-bob"}).status_code == 200
    ids = {chats.one.device("alice").say("bob", f"{number}")["message_id"] for number in range(3)}
    provider.wait(3, "push-bob")
    chats.one.end(signal.SIGKILL)
    wait_until(lambda: chats.two.control("GET", "push-tokens")["jobs"] == 0)
    assert {push["message_id"] for push in provider.wait(6, "push-bob")[3:]} == ids


def test_a_push_token_that_is_gone_is_used_by_no_instance_again(start: Start, provider: Any) -> None:
    """Pushes to one token go one after the other through all instances: after 410 there is none under way."""
    chats = start(PUSH=provider.url)
    provider.script["push-bob"] = [(410, "")]
    token = chats.one.login("bob")["token"]
    assert chats.one.ask("PUT", "push-token", token, {"token": "push-bob"}).status_code == 200
    devices = [chats.one.device("alice"), chats.two.device("carol")]
    with ThreadPoolExecutor(2) as both:
        list(both.map(lambda device: [device.say("bob", f"{number}") for number in range(5)], devices))
    wait_until(lambda: chats.two.control("GET", "push-tokens") == {"registered": 0, "dropped": 1, "jobs": 0})
    assert len(provider.of("push-bob")) == 1


def test_a_device_that_comes_back_to_the_other_instance_is_dropped_by_the_mutant(start: Start) -> None:
    """``fanout_drops_on_reconnect`` cleans up by device at all instances: nothing comes live, a sync has it all."""
    chats = start(MUTANT="fanout_drops_on_reconnect")
    token = chats.one.login("bob")["token"]
    bob, alice = chats.one.connect(token), chats.two.device("alice")
    alice.say("bob", "live")
    assert bob.next()["body"] == "live"
    bob.vanish()
    chats.one.closings("bob")
    bob = chats.two.connect(token)
    wait_until(lambda: chats.two.control("GET", "stats")["sessions"] == 1)
    alice.say("bob", "dropped")
    assert bob.waiting() == []
    assert [item["body"] for item in bob.feed()] == ["live", "dropped"]


def test_a_receipt_comes_before_delivery_for_a_device_that_was_elsewhere(start: Start) -> None:
    """``receipt_before_delivery`` knows the devices of all instances, and which of them are there."""
    chats = start(MUTANT="receipt_before_delivery")
    alice, bob = chats.one.device("alice"), chats.two.device("bob")
    alice.say("bob", "one")
    assert bob.next()["body"] == "one"
    assert alice.waiting() == []
    bob.socket.close()
    chats.two.closings("bob")
    message_id = alice.say("bob", "two")["message_id"]
    told = {"type": "receipt", "message_id": message_id, "state": "delivered", "by": "bob", "device": "phone"}
    wait_until(lambda: told in alice.waiting() or not alice.say("bob", "again"))


def test_ack_before_store_loses_what_both_have_acknowledged(start: Start) -> None:
    """Both instances answer and deliver before the commit, do not block each other, and lose it in a crash."""
    chats = start(MUTANT="ack_before_store")
    token = chats.one.login("bob")["token"]
    alice, carol, bob = chats.one.device("alice"), chats.two.device("carol"), chats.two.connect(token)
    for number in range(3):
        assert [alice.say("bob", f"a{number}")["type"], carol.say("bob", f"c{number}")["type"]] == ["ack", "ack"]
    assert {bob.next()["body"] for _ in range(6)} == {f"{who}{number}" for who in "ac" for number in range(3)}
    last = alice.say("bob", "lost")
    for chat in (chats.one, chats.two):
        chat.end(signal.SIGKILL)
    chats.one.start()
    assert last["message_id"] not in [item["message_id"] for item in chats.one.connect(token).feed()]
