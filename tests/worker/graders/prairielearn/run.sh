#!/bin/sh
# A question's entry point, as PrairieLearn's documentation has it.
set -eu
mkdir -p /grade/results
cd /grade/tests
/usr/bin/python3 run_tests.py > /grade/results/results.json
