"""Inputs for measuring, and inputs that break kernels."""
