"""The vision encoder of an NPU model: a .rknn beside its .rkllm, through librknnrt.so."""
