"""A reference chat backend and its seeded defects; imports nothing of the harness."""
