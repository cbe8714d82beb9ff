"""What a person sees: progress, the live table, tables, result files, the report."""
