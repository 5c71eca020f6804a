"""Processes that can be ended, in which everything handed in is opened."""
