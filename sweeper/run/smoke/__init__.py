"""Asks an account what nobody knows of the service: by a few cheap jobs, each owed before it is sent, all closed."""
