"""`python -m pinflow`."""

from pinflow.cli.main import main

if __name__ == "__main__":
    main()
