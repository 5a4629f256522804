package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"holdfast/internal/config"
)

func TestFind(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	place := func(parts ...string) string {
		path := filepath.Join(append([]string{home}, parts...)...)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	xdg := place("xdg", "holdfast", "holdfast.yaml")
	blocked := filepath.Join(place("blocked"), "below-a-file")

	cases := []struct {
		name, flag string
		env        map[string]string
		want       string
		err        error
	}{
		{"the flag first", "/flag", map[string]string{config.EnvPath: "/env"}, "/flag", nil},
		{"then the variable, there or not", "", map[string]string{config.EnvPath: "/env"}, "/env", nil},
		{"then the user's", "", map[string]string{"XDG_CONFIG_HOME": filepath.Join(home, "xdg")}, xdg, nil},
		{"nothing", "", nil, "", config.ErrNotFound},
		{"a relative XDG folder counts as none", "", map[string]string{"XDG_CONFIG_HOME": "xdg"}, "", config.ErrNotFound},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := os.Stat(config.SystemPath); err == nil && errors.Is(c.err, config.ErrNotFound) {
				c.want, c.err = config.SystemPath, nil // this machine has one
			}
			got, err := config.Find(c.flag, func(name string) string { return c.env[name] })
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}

	t.Run("one that cannot be reached is not passed over", func(t *testing.T) {
		_, err := config.Find("", func(name string) string {
			if name == "XDG_CONFIG_HOME" {
				return blocked
			}
			return ""
		})
		if err == nil || errors.Is(err, config.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	})

	t.Run("the default below HOME", func(t *testing.T) {
		want := place(".config", "holdfast", "holdfast.yaml")
		got, err := config.Find("", func(string) string { return "" })
		if got != want || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}
