"""How long it takes to close a week and to show it, and how that grows."""
