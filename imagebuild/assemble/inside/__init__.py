"""Everything that runs as root in a private namespace; nothing else does."""
