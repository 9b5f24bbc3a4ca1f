"""How published files are read: one module a format. Data sets, one file each, are in the package above."""
