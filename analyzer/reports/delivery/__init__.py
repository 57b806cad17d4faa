"""Reports brought to people: planned in the store, sent once a recipient and version."""
