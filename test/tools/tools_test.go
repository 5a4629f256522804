package tools

import (
	"os/exec"
	"strings"
	"testing"
)

func TestRestic(t *testing.T) {
	if got := version(t, Restic(t)); !strings.HasPrefix(got, "restic 0.18.1 ") {
		t.Errorf("version is %q", got)
	}
}

func TestResticSid(t *testing.T) {
	if got := version(t, ResticSid(t)); !strings.HasPrefix(got, "restic ") || strings.HasPrefix(got, "restic 0.18") {
		t.Errorf("version is %q, want 0.19 or later", got)
	}
}

func version(t *testing.T, program string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, "version").CombinedOutput()
	if err != nil {
		t.Fatalf("%s version: %v: %s", program, err, out)
	}
	return string(out)
}
