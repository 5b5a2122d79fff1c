"""What every call passes: listeners, TLS, who calls, limits, errors to statuses."""
