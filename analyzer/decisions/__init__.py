"""What to do about an incident, and what became of it. Pure."""
