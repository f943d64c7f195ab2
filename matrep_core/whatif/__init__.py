"""What if: other materials in a formula, new materials beside the known ones, wanted properties."""
