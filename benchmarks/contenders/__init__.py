"""Who takes part. Each module has `start(threads)`, which returns its versions, and `make(kind, params)`, which returns a
function to time and a function that gives its numbers (or None), to be compared before anything is timed."""
