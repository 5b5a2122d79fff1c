"""The child process that holds one model."""
