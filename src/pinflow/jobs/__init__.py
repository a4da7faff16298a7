"""The jobs that move records along the pipeline, and the reports that check that none was lost."""
