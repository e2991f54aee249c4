# Every optimizer with every schedule and every loss, stopped at a step drawn at random and resumed to the same bits (tests/conformance/recipes.c).
# On 2026-11-24: 441 recipes in 52 s of one core.
. tests/support/script.sh "$1"
FUTAGO_FULL=1 "$(dirname "$futago")/test_conformance_recipes"
