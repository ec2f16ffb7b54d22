"""The user's language: `model.py` defines it, `units.py` its sizes and times, `load.py` reads it from YAML.

`yaml_source.py` keeps the position of every key and value, so that each mistake is reported where it stands.
"""
