"""Bringing a system under test up behind its proxies, and down again whatever happens."""
