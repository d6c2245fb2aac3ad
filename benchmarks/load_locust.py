"""Locust's usual WebSocket user against the server of the benchmark: ``load_locust.py PORT USERS``, until it is ended.

websocket-client on gevent, with wsaccel for masks and UTF-8, which halves what it costs. Each user sends the next
message when the last one is acknowledged, reads the acknowledgement and fires one request event, as Locust's documents
show it.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import count

from locust import User, constant, task
from locust.env import Environment
from locust.log import setup_logging
from websocket import create_connection

TEXT = "Shall we meet at the station at seven, or would you rather walk? (12.3456)"
numbers = count(1)


class ChatUser(User):
    """One person."""

    wait_time = constant(0)

    def on_start(self) -> None:
        """Connect."""
        self.name = f"p{next(numbers):04d}"
        self.sent = 0
        self.socket = create_connection(f"{self.host}/v1/ws", header={"Authorization": f"Bearer token-of-{self.name}"})

    @task
    def send(self) -> None:
        """Send one message and wait for its acknowledgement."""
        self.sent += 1
        ref, began_s = str(self.sent), time.perf_counter()
        message = {
            "type": "send",
            "ref": ref,
            "client_message_id": f"{self.name}-{self.sent:06d}-abc123",
            "body": TEXT,
            "client_time_ms": time.time_ns() // 1_000_000,
            "to": "other",
        }
        self.socket.send(json.dumps(message))
        ack = json.loads(self.socket.recv())
        problem = None if ack["type"] == "ack" and ack["ref"] == ref else ValueError(f"no acknowledgement: {ack}")
        took_ms = (time.perf_counter() - began_s) * 1000
        self.environment.events.request.fire(
            request_type="WS", name="send", response_time=took_ms, response_length=0, exception=problem, context={}
        )


def main(port: int, users: int) -> None:
    """Run without a page and without an end."""
    setup_logging("WARNING")
    environment = Environment(user_classes=[ChatUser], host=f"ws://127.0.0.1:{port}")
    runner = environment.create_local_runner()
    runner.start(users, spawn_rate=users)
    runner.greenlet.join()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
