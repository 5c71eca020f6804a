"""``jzedu serve``: Prefect's server, the runner of the schedule, and who may reach them."""
