"""Declarative sweeps of SageMaker training jobs on one warm pool that is always released."""
