"""The jobs: what moves records along the road, and what checks that none was lost."""
