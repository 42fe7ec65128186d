"""Selection: which good problems and traces a training set takes, and which wrong traces people look at first."""
