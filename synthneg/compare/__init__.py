"""Arms against each other: trained over the same queries and positives of one run, measured with paired statistics."""
