#!/bin/sh
# Writes every line that it reads back.

while IFS= read -r line; do
    printf '%s\n' "$line"
done
