"""The protocols: HTTP, signatures, who may ask, what a request must be, and what goes wrong on the way."""
