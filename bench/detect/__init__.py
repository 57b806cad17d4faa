"""Does the detector blame the right tenant? Simulated worlds whose truth is known by re-running."""
