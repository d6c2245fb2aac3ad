"""A chat protocol described by a mapping file instead of code: JSON or form frames over WebSocket and HTTP."""
