"""The verbs of the command line, one module each. They may print; everything below them may not."""
