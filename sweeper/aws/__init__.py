"""Everything that speaks to AWS: the one place that knows botocore and its errors."""
