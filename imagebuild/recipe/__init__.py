"""The user's language: start at `load.py`, which reads a recipe and reports every mistake where it stands.

model.py        what a recipe may say: the only definition; units.py: its sizes, shares and durations
load.py         load_recipe: the steps below, in their order
yaml_source.py  one file as a tree of nodes with places; tree.py: those nodes
include.py      other recipes merged first
variables.py    ${name} filled in
files.py        the files that a recipe names
messages.py     the model's refusals in our words; allowed.py: what is allowed where; nearest.py: did you mean
schema.py       the JSON Schema for editors
"""
