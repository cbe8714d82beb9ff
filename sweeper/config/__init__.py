"""From files and overrides to a frozen Sweep: the only package that knows Hydra."""
