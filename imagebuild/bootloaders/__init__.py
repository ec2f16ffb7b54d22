"""Boot loaders: what each of them reads, where it looks, and how it reads and *runs* a menu. Pure: data in, facts out.

`menus/` interprets a menu.lst as each loader does; start at `menus/trace.py`.
"""
