"""What comes out of an engine: whole characters, stops, reasoning, tool calls."""
