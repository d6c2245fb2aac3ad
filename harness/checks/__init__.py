"""Promises as SQL over the history: one file a promise, with a plain-Python twin."""
