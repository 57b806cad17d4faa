"""Recorded usage judged again, in its own time."""
