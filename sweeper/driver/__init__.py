"""What runs inside the training container. Standard library only, and nothing of sweeper's that does not."""

FILES = ("driver.py", "causes.py", "matches.py", "arguments.py", "launchers.py", "caches.py")
"""What is staged with every source; the first is started."""

CHANNEL = "sweeper"
"""The input channel that carries the driver, the source and launch.json."""

VALUES_CHANNEL, VALUES_FILE = f"{CHANNEL}_values", "values.json"
"""The channel that brings hyperparameters which a request has no room for, and its one file."""

# An image may have only one of the two names; exec, so that SIGTERM reaches the driver itself.
START_DRIVER = f'exec "$(command -v python3 || command -v python)" /opt/ml/input/data/{CHANNEL}/driver.py'
