"""What passes between stages: table schemas, the gate that enforces them, references, errors."""
