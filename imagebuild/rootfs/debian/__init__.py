"""A Debian tree, bootstrapped with mmdebstrap: `bootstrap.py` is where to start."""
