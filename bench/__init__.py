"""What Packmule costs, measured on real installations: `make bench` runs it all and writes docs/benchmarks.md."""
