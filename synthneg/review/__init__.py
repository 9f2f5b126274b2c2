"""Review by a person: a sample is drawn and asked about, and what the answers say of the run and its checks."""
