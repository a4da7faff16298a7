"""pinflow: the whole pipeline of a Pinterest-style post in one package."""

__all__ = ["__version__"]

__version__ = "0.1.0"
