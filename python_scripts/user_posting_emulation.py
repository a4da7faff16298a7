"""The traditional name of `pinflow emulate --to batch`."""

import sys

from pinflow.cli.main import main

if __name__ == "__main__":
    main(["emulate", "--to", "batch", *sys.argv[1:]])
