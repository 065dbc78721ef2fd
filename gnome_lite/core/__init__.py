"""What all rooms share: crystals, records, phases, errors, metrics. Imports no other room."""
