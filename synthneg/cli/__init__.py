"""The command line: read arguments, build settings, call one function, print one summary."""
