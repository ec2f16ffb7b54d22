"""A folder of recipes every night: many at once, on one machine or on many, and one summary over all nights.

Start here. A night goes through these modules in this order:

    night.py      one night from its lock to its summary
    inputs.py     everything that a recipe is made from, as files and as one digest
    unchanged.py  what need not be built again, and why
    news.py       how new the packages are (operations/updates.py asks), in the night's words
    engine.py     dask.distributed: tasks go out, results and lines come back as they happen
    work.py       … what a worker does for one recipe: `imagebuild build` as a process of its own, with a limit for each
                  stage (operations/child.py), and again when the network was to blame
    reserve.py    space for the words that say that the disk is full
    extra.py      what must be installed for it
    store.py      results under an fsspec URL, each published exactly once
    shared.py     recipes and root trees that travel between machines
    history.py    the nights that were, numbered: the clock may be set back
    summary.py    its files: junit.xml, summary.json, and summary.html (page.py)
    links.py      the files of a result, for the summary
    worker.py     a machine that offers what it can do

`model.py` is what they speak of.
"""
