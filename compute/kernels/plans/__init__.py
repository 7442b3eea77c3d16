"""How operators are cut into blocks: tables by dtype, architecture and size, and tuned winners."""
