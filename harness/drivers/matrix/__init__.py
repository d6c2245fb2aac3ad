"""The client-server API of Matrix (source of all facts: https://spec.matrix.org/latest/client-server-api/)."""
