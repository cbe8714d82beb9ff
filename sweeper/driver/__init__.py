"""What runs inside the training container. Standard library only, and nothing of sweeper's that does not."""

FILES = ("driver.py", "causes.py", "matches.py", "arguments.py")
"""What is staged with every source; the first is started."""
