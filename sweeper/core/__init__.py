"""The pure heart: values, the fold, the decision. No I/O, no clock, no randomness of its own."""
