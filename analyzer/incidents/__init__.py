"""The life of an incident and its telling in sentences. Pure."""
