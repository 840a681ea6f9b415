"""Studies that several processes and machines work on."""
