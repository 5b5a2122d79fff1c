"""JSON Schemas as an engine's grammar can keep them, and answers judged by them."""
