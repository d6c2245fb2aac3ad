"""The record of a run: written by every process, ingested, traced."""
