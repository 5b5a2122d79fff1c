"""The frames between daemon and worker."""
