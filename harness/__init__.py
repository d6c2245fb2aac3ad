"""chat-chaos: fault injection for chat backends, with verdicts that can be trusted."""

__version__ = "0.1.0"

__all__ = ["__version__"]
