"""Bills of providers: read in whatever shape they come, kept, and matched to resources."""
