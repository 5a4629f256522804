// Package program runs whole programs for tests: holdfast as it is shipped, but
// for keys that cost nothing to derive, and restic beside it.
//
// A test package that uses Holdfast hands its TestMain to Main, which builds
// the binary once:
//
//	func TestMain(m *testing.M) { os.Exit(program.Main(m)) }
package program
