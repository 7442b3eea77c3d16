"""Kernels of their own for sm_90, on the copy engine (TMA) and wgmma."""
