"""A tiny chat backend for the driver beside it: HTTP with long polling, one file of messages, no accounts.

GET  /events?user=NAME&after=N&wait=S   200 {"events": [...], "next": N}: answers at once, or when something comes
POST /messages {id, from, to, text}     200 {"number": N}; the same id of the same sender again gives the same number
GET  /health                            200
"""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


class Chat:
    """Messages in the order of their numbers, on disk before anybody hears of them."""

    def __init__(self, path):
        path.touch()
        self.messages = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
        self.numbers = {(one["from"], one["id"]): one["number"] for one in self.messages}
        self.file = path.open("a")
        self.changed = threading.Condition()

    def post(self, message):
        """Store a message once."""
        with self.changed:
            name = message["from"], message["id"]
            if name not in self.numbers:
                message["number"] = self.numbers[name] = len(self.messages) + 1
                self.file.write(json.dumps(message) + "\n")
                self.file.flush()
                os.fsync(self.file.fileno())
                self.messages.append(message)
                self.changed.notify_all()
            return {"number": self.numbers[name]}

    def events(self, user, after, wait):
        """Return what concerns a user, waiting for the first of it."""
        with self.changed:
            self.changed.wait_for(lambda: self.of(user, after), timeout=wait)
            return {"events": self.of(user, after), "next": len(self.messages)}

    def of(self, user, after):
        """Messages from or to a user."""
        return [one for one in self.messages[after:] if user in (one["from"], one["to"])]


class Handler(BaseHTTPRequestHandler):
    """The requests."""

    chat: Chat

    def do_POST(self):
        """Take a message."""
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(self.chat.post(message))

    def do_GET(self):
        """Tell what there is."""
        asked = urlsplit(self.path)
        if asked.path == "/health":
            return self.answer({})
        words = {name: values[0] for name, values in parse_qs(asked.query).items()}
        return self.answer(self.chat.events(words["user"], int(words["after"]), float(words["wait"])))

    def answer(self, body):
        """Write an answer; whoever has gone meanwhile does not get it."""
        content = json.dumps(body).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True

    def log_message(self, *words):
        """Log nothing: request lines are no place for names."""


if __name__ == "__main__":
    Handler.chat = Chat(Path(sys.argv[2]))
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
