"""How full the resources are, what moving a tenant would change, and whether it pays."""
