"""Generated from proto/rkd/v1; never edited."""
