"""A dataset that people have made, as a run: taken apart, checked, and written as the files of the stages."""
