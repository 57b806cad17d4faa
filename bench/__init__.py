"""Benchmarks: measured side by side, never timed inside tests."""
