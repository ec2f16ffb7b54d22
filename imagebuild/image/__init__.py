"""An image opened read-only: its places, the readers of its files, its limits. For every verb that reads images."""
