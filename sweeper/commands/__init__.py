"""The verbs of the command line, one module each. They may print; everything below them may not."""

MODULES = {
    "plan": "plan",
    "status": "status",
    "list": "listing",
    "logs": "logs",
    "report": "report",
    "stop": "stop",
    "skip": "skip",
    "add": "add",
    "pools": "pools",
    "engine": "engine",
    "clean": "clean",
    "retry": "retry",
    "rerun": "rerun",
    "pull": "pull",
    "verify": "verify",
    "simulate": "simulate",
    "complete": "complete",
}
"""Every verb and the module whose `main(arguments)` it is."""
