"""From a change of an incident to the receiver, beside Debian's Alertmanager."""
