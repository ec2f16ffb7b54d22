"""What the families of distributions do differently. Pure."""
