"""What pin, geo and user are: raw columns, clean columns and rules, each stated once.

A dataset is a folder: `dataset.toml` names the columns, `clean.sql` makes clean rows. Which records cannot be a row,
and why, is said for all of them in `reject.sql`. Both are Spark SQL, and every engine runs the same text.
"""

from pinflow.datasets.dataset import LINEAGE, Dataset, dataset, datasets, over_ranked

__all__ = ["LINEAGE", "Dataset", "dataset", "datasets", "over_ranked"]
