"""The embedded engine: SageMaker training over its own wire protocol, on loopback, really training."""
