"""Scenario and stack files: from YAML text to plans, with an exact place for every mistake."""
