"""`make benchmark`: the generate function beside two smaller programs with the same task.

The artifacts of `sam build` run with AWS's runtime interface emulator. moto and the stand-in for OpenAI serve them.
`comparators/` holds the other programs, `measures/` one module for each family of figures. `report` writes
docs/performance.md from results.json.
"""
