"""The free part of an experiment as trials, made when they are asked for."""
