"""The public contract: what the API answers and takes, as pydantic models, by subject.

Times are RFC 3339 UTC. Money travels as strings of decimal units with its currency beside it,
never as a float.
"""
