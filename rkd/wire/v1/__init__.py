"""Generated from proto/rkd/wire/v1; never edited."""
