"""What the daemon tells about itself: meters, metrics, traces, activity, doctor."""
