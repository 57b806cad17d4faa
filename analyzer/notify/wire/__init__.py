"""What touches the network: addresses that may be asked, the transports, and their answers."""
