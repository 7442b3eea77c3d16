"""The operators that inference lives on, each in PyTorch, Triton and CUDA C++ side by side."""
