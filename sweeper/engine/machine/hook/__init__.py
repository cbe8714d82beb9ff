"""The folder that the engine puts on PYTHONPATH to be there before a training script."""
