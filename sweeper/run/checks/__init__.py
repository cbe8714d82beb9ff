"""What is looked at before anything is created: a file for each thing that may be wrong. Nothing is changed."""
