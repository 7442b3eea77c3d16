"""Kernels of well-known libraries to compare with."""
