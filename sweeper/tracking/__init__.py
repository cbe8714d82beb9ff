"""What a sweep leaves behind for people and tools: read the chain, never steer it."""
