"""A source on a MySQL or MariaDB server, RDS and Aurora among them."""

from pinflow.source.mysql.server import MySqlSource

__all__ = ["MySqlSource"]
