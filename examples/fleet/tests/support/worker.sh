#!/bin/sh
# A worker that ends as its account says: "worker", and the specification as JSON.
process=$(printf %s "$2" | sed 's/.*"process":\([0-9]*\).*/\1/')
account=$(printf %s "$2" | sed 's/.*"account":"\([a-z]*\)".*/\1/')
echo asked
case "$account $process" in
"panics 2") echo asked; echo "made 1 $process-1"; exit 101 ;;
"hangs 2") exec sleep 1000 ;;
"forgets 2") exit 0 ;;
esac
echo "unsent 1 $process-0"
