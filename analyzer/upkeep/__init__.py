"""What keeps the store small, whole and forgetful."""
