"""What is wrong with a training: a diagnosis a file, each with its number, what it means and the setting to change."""
