"""The backend: an HTTP API that runs long jobs and streams their progress."""
