"""From source to what a device runs: CUDA C++ and Triton to cubins, and where they can run."""
