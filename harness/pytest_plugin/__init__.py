"""The pytest plugin: scenario files as tests, and fixtures for tests in Python.

pytest loads ``plugin`` in every session of every project, so what is imported here costs nothing until it is used.
"""
