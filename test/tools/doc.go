// Package tools gets the other programs that tests and the benchmark compare
// holdfast with, at pinned versions, and keeps them in a cache between runs.
//
// Go programs are built from the source the module proxy serves for one exact
// version. The source is copied out of the module cache and built as its own
// main module, because a module with replace directives refuses `go install`.
// Other programs are unpacked from Debian packages with a private apt root, so
// the machine's own packages stay as they are.
//
// The cache is $HOLDFAST_TEST_CACHE, or holdfast-test in the user's cache
// folder. A first build of restic takes one to two CPU minutes; to have it
// before the tests start, run
//
//	go run ./test/tools/cmd/install restic restic-sid postgresql-17
package tools
