"""One module for each verb: parse its options into a request, call one operation, print what came out.

A verb is one function (its docstring is its --help) that returns the exit code, listed in app.py. At its top it imports
nothing but typer, options.py and vocabulary.py, so that `--help` answers at once; the operation is imported in its
body. It raises our errors as they come: run.py says them, and knows their exit codes.
"""
