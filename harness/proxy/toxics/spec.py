"""A toxic as installed on a proxy: what the API shows, apart from what it does to each connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.proxy.api import Stream


@dataclass(slots=True)
class ToxicSpec:
    """One installed toxic; ``toxicity`` and ``attributes`` change by updates, the rest never.

    ``stream_text`` is the stream as the client spelled it, which Toxiproxy echoes. ``order`` is its place in the
    order of creation on its proxy.
    """

    name: str
    type: str
    stream: Stream
    stream_text: str
    toxicity: float
    attributes: Mapping[str, int]
    order: int = 0

    def wire(self) -> dict[str, object]:
        """Return the toxic as the API shows it."""
        whole = self.toxicity == int(self.toxicity)
        return {
            "attributes": dict(self.attributes),
            "name": self.name,
            "type": self.type,
            "stream": self.stream_text,
            "toxicity": int(self.toxicity) if whole else self.toxicity,
        }
