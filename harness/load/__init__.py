"""Load: Locust conducts, swarms play. Only ``__main__`` and what it imports may load Locust, never pytest."""
