"""Pages for people: `report.html`, and what `imagebuild diff --html` writes. Data in, one self-contained text out.

model.py     what a page shows, as data
changes.py   what differs between two builds of a recipe
clean.py     text out of an image or a console, made harmless
drawing.py   a disk to scale, as the numbers of an SVG
render.py    the templates (templates/), with everything escaped
"""
