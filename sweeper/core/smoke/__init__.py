"""What nobody knows of the real service, as sixteen questions that a few cheap jobs on an account answer. Pure."""
