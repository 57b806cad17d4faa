"""Changes written down: a transition and its notifications in one transaction."""
