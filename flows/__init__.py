"""Floor 4: orchestration. Prefect flows and tasks, settings, sources, the command line."""
