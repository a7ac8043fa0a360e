"""`python -m remote_assist` is `remote-assist`."""

import sys

from remote_assist.cli import main

if __name__ == "__main__":
    sys.exit(main())
