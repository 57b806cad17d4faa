"""The one database: its door, its secrets, its words on disk."""
