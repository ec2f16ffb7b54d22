"""How each type of filesystem is made and sized. Pure."""
