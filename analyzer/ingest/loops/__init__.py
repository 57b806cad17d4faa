"""The drain's hot loops, compiled; see `collector.loops` for how and when."""
