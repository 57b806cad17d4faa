"""Tests of what touches the network."""
