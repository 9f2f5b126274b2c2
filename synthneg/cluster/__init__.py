"""Work on a Ray cluster: what is heavy, behind the same seams as on one machine."""
