"""Did anything get worse? Suites, their cases, baselines, gates and reports."""
