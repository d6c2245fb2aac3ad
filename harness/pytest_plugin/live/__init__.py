"""Running stacks and simulated people for tests in Python: synchronous handles on an event loop of their own."""
