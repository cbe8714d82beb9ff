"""What other tools were told, as an experiment: converters from a mapping or a syntax tree, each of them pure."""
