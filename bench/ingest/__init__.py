"""How much the doors take for a second of CPU, beside VictoriaMetrics and Prometheus."""
