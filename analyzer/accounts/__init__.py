"""One tenant's account of one week: what it cost and why, what a unit costs, what will come."""
