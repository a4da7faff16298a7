"""The jobs: what moves records along the pipeline, and what checks that none was lost."""
