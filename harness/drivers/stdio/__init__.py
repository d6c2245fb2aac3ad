"""A client program in any language, speaking JSON lines on its standard streams, as the client under test."""
