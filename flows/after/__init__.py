"""What follows a run: artifacts in Prefect, metrics, notifications."""
