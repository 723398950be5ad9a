"""Report how well questions on ten businesses are answered, each by coefficients fitted on the others."""

from bench.answers.fit import main

main()
