"""`python -m imagebuild`: the same as the command `imagebuild`."""

import sys

from imagebuild.cli import main

if __name__ == "__main__":
    sys.exit(main())
