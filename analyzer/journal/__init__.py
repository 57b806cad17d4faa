"""What changed, written down with whom it was told to, in one transaction."""
