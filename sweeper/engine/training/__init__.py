"""SageMaker training as a pure state machine: jobs, warm pools, spot, and how the service tells of them."""
