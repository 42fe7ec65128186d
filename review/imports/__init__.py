"""Labels that were made elsewhere, taken in as review history."""
