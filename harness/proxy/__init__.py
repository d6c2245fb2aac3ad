"""Layer 4: a Toxiproxy-compatible server of our own and the adapter that commands any such server."""
