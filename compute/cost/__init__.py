"""The Cost Calculator: providers against self-hosting at the utilization traffic really gives."""
