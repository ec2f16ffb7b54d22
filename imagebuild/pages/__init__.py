"""Pages for people: `report.html`, and what `imagebuild diff --html` writes. Data in, one self-contained text out.

model.py     what a page shows, as data
changes.py   what differs between two builds of a recipe
clean.py     a console's log as lines
drawing.py   a disk to scale, as numbers: for the report's page and for disk_svg.py
disk_svg.py  … as a file of its own (inspect --svg)
junit.py     junit.xml
render.py    the templates (templates/), with everything escaped
"""
