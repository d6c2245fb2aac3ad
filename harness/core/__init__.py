"""Pure facts and rules of the harness: no input or output, time and chance are passed in."""
