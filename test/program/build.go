package program

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	// What holdfast is built of: the go command then runs tests again that
	// only run the binary, instead of taking what it remembers of them.
	_ "holdfast/internal/cli"
)

// binaryVariable tells the tests of a package where Main has put the binary.
const binaryVariable = "HOLDFAST_TEST_BINARY"

// Main builds holdfast, runs the tests and returns their exit code. A binary
// that the environment names already is used as it is.
func Main(m *testing.M) int {
	if os.Getenv(binaryVariable) != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "holdfast-binary-")
	if err == nil {
		defer os.RemoveAll(dir)
		// Servers that tests start as another user call it, too.
		err = errors.Join(os.Chmod(dir, 0o755), build(filepath.Join(dir, "holdfast")))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// withoutCost makes keys cost nothing to derive, of which tests derive thousands.
// That those of holdfast as it is shipped cost enough is a test of test/install.
const withoutCost = "-X holdfast/repository.testKeys=cheap"

// build puts holdfast where it is wanted. Unlike that of build, the result of
// run is kept by the go command: the packages of one run of the tests link once.
func build(binary string) error {
	cmd := exec.Command("go", "run", "-exec", "cp", "-ldflags", withoutCost, "holdfast/cmd/holdfast", binary)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build holdfast: %w\n%s", err, out)
	}
	return os.Setenv(binaryVariable, binary)
}

// Holdfast returns the binary that Main built.
func Holdfast(t testing.TB) Program {
	t.Helper()
	path := os.Getenv(binaryVariable)
	if path == "" {
		t.Fatal("program.Holdfast needs a TestMain that calls program.Main")
	}
	return New(t, path)
}
