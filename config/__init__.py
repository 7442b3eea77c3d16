"""Every setting, typed, from the environment over defaults.toml."""
