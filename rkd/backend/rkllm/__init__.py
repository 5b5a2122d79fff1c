"""The NPU: Rockchip's librkllmrt.so behind ctypes."""
