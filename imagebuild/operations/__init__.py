"""One module for each use case: a request in, a result out. Nothing here prints or exits."""
