"""The phases of a run, as a stream of facts."""
