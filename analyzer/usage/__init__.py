"""Usage over time: rings, roll-ups, what is usual, and the questions asked of it."""
