"""What is read out of a run: evaluation, projection, clusters, neighbours."""
