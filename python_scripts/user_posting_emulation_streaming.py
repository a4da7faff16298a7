"""The traditional name of `pinflow emulate --to stream`."""

import sys

from pinflow.cli.main import main

if __name__ == "__main__":
    main(["emulate", "--to", "stream", *sys.argv[1:]])
