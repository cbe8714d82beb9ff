"""AWS Batch for SageMaker training: service environments, job queues, scheduling policies and service jobs."""
