//go:build !linux

package main

import "github.com/rogpeppe/go-internal/testscript"

// readonly is known on Linux only.
func readOnly(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Fatalf("readonly DIR needs Linux")
}
