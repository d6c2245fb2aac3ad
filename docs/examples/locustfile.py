"""People of a chat as Locust's users: they write to each other, listen, and are sometimes offline.

``chat-chaos stack up reference -- locust -f locustfile.py --headless -u 20 -r 10 -t 10s`` runs them against the
reference backend; for a system of yours write a stack file and give ``--host`` instead.
"""

from locust import between, task

from harness.load import ChatUser


class Friend(ChatUser):
    """Somebody who chats with whoever is there."""

    wait_time = between(0.1, 0.5)

    @task(6)
    def write(self):
        """A message; what was not accepted is a failure named ``send``."""
        if friend := self.chat.another():
            self.chat.send(friend, "have you seen this?")

    @task(3)
    def listen(self):
        """Answer the next message, if one comes within a second."""
        message = self.chat.receive(timeout=1)
        if message and not message.text.startswith("re:"):
            self.chat.send(message.sender, f"re: {message.text}")

    @task(1)
    def go_away(self):
        """What others wrote meanwhile is there afterwards."""
        self.chat.go_offline()
        self.wait()
        self.chat.come_back()
