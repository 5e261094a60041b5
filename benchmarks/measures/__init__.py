"""One module for each figure of docs/performance.md: ``measure`` returns what goes into results.json."""
