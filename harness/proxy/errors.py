"""What the HTTP API answers when it refuses: Toxiproxy's statuses and texts."""

from __future__ import annotations


class ApiError(Exception):
    """A request that is answered with a status and a text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text

    def wire(self) -> dict[str, object]:
        """Return the body of the answer."""
        return {"error": self.text, "status": self.status}


def bad_body(why: str) -> ApiError:
    """The body is not what the route takes."""
    return ApiError(400, f"bad request body: {why}")


def missing_field(which: str) -> ApiError:
    """A required field is absent or empty."""
    return ApiError(400, f"missing required field: {which}")


def not_found(what: str) -> ApiError:
    """There is no such proxy, toxic or connection."""
    return ApiError(404, f"{what} not found")


def already_exists(what: str) -> ApiError:
    """The name is taken."""
    return ApiError(409, f"{what} already exists")


def cannot_listen(why: str) -> ApiError:
    """The port is busy or the address is no good."""
    return ApiError(500, why)
