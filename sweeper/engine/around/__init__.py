"""The services around training, as far as jobs and clients need them: S3, IAM, CloudWatch and its logs, quotas."""
