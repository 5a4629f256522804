package protect_test

import (
	"os"
	"path/filepath"
	"testing"

	"holdfast/internal/app/protect"
	"holdfast/internal/config"
)

// A file that was asked for is the one, also before it is there.
func TestConfigPathThatWasAskedFor(t *testing.T) {
	home := t.TempDir()
	getenv := func(name string) string { return map[string]string{"XDG_CONFIG_HOME": home}[name] }
	for flag, want := range map[string]string{
		config.SystemPath:                 config.SystemPath,
		filepath.Join(home, "other.yaml"): filepath.Join(home, "other.yaml"),
	} {
		if got, err := protect.ConfigPath(flag, getenv); err != nil || got != want {
			t.Errorf("--config %s: %s, %v", flag, got, err)
		}
	}
	if _, err := os.Stat(config.SystemPath); err == nil {
		return // this machine has a file of its own
	}
	if got, err := protect.ConfigPath("", getenv); err != nil || got != filepath.Join(home, "holdfast", "holdfast.yaml") {
		t.Errorf("without a flag: %s, %v", got, err)
	}
}
