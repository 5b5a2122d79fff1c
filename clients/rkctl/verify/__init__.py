"""A board that proves itself: what is assumed of the NPU's library, and what is seen."""
