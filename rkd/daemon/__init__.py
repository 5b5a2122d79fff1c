"""The composition root: the only room that knows every other and reads the configuration."""
