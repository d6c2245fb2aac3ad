"""Kinds of conversation, as plans of what is due when: one file a kind."""
