"""What the gateway says about its work: logs, metrics and traces."""
