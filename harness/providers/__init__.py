"""Local simulators of the providers that chat backends call: one file a provider, one process each."""
