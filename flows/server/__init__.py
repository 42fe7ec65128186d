"""A Prefect server with a worker that a team leaves running: started, kept up, and stopped by `tracemill server`."""
