"""What each tenant costs: prices, weeks, charges, and the weekly statement."""
