"""The ``weir`` command line: one file for each family of commands. Heavy modules are loaded inside the commands."""
