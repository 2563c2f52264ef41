#!/bin/sh
# A worker that ends as its account says: worker, server, account, process, …
echo asked
case "$3 $4" in
"panics 2") echo asked; echo "made 1 $4-1"; exit 101 ;;
"hangs 2") exec sleep 1000 ;;
"forgets 2") exit 0 ;;
esac
echo "unsent 1 $4-0"
