"""What is written and read again: the journal, stored sweeps, whole files, staged source, locks."""
