"""From a request to a run: configuration, engines, streams, timeouts, jobs, workers, executors."""
