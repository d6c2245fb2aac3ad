"""Listeners of the stream: console, JSON, JUnit, HTML."""
