"""The protocol of the reference chat backend, as ``docs/reference-protocol.md`` describes it."""
