"""Score the steps of traces by what continuations of them come to."""
