"""Reward models: recorded steps in, reward channels out; one file per kind."""
