"""One module for each kind of document: its title and its text out of what is in the file.

Each reports what it finds through `log(message, level)` while it works; a line of the level `warning` says what could
not be read.
"""
