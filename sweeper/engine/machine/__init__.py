"""What runs a job here: its folder, its container, its checkpoints, and interpreters that are kept hot."""
