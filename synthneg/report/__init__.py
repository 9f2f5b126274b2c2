"""One page that shows a run: is the data good, what did it cost, what does it look like, where are its limits."""
