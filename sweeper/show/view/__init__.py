"""The page of a sweep, served on this machine while it runs: what it shows (`feed`), and to whom (`server`)."""
