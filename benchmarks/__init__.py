"""The module, measured beside what a user would write instead: `make benchmark`.

Everything runs on the artifacts that `sam build` makes, under AWS's runtime interface emulator, against the stand-in
for OpenAI and moto's S3 and Secrets Manager in processes of their own. `comparators/` holds what is compared with,
`measures/` one module for each figure; `report` writes docs/performance.md from results.json.
"""
