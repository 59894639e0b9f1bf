"""`python -m optbench` is the command `optbench`."""

from ._binary import main

main()
