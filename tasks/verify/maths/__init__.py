"""Whether two mathematical answers are the same: exact rules first, then math-verify."""
