"""The queue's server: ours, started detached beside the bot, or an existing NATS."""
