package unit

import (
	"path/filepath"
	"slices"
	"strings"

	"holdfast/internal/secret"
)

// Installed returns what the unit of the host is made for, so that it is made
// for the same again; false if there is none.
func Installed(host Host) (Spec, bool, error) {
	unit, err := content(host.UnitPath())
	if err != nil {
		return Spec{}, false, err
	}
	if packaged := host.packaged(); packaged != "" {
		base := Packaged()
		dropIn, err := content(host.DropInPath())
		return parse(base.Text() + dropIn), true, err
	}
	return parse(unit), strings.HasPrefix(unit, marker), nil
}

// parse reads what Text and DropIn wrote.
func parse(text string) Spec {
	values := map[string][]string{}
	for line := range strings.Lines(text) {
		key, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if !found || strings.HasPrefix(key, "#") {
			continue
		}
		if value == "" || !slices.Contains(lists[:], key) {
			values[key] = nil
		}
		if value != "" {
			values[key] = append(values[key], value)
		}
	}
	last := func(key string) string {
		if all := values[key]; len(all) > 0 {
			return all[len(all)-1]
		}
		return ""
	}
	s := Spec{User: last("User"), Group: last("Group"), SharedTemp: last("PrivateTmp") == "no"}
	if command := words(last("ExecStart")); len(command) == 6 {
		s.Program, s.Config, s.StateDir = command[0], command[2], command[5]
	}
	for _, value := range values[keyWritePath] {
		s.WritePaths = append(s.WritePaths, words(value)...)
	}
	s.ReadOnlyConfig = s.User != "" && s.Config != ""
	for _, value := range values["ReadWritePaths"] {
		for _, path := range words(strings.TrimPrefix(value, "-")) {
			if s.Config != "" && below(path, filepath.Dir(s.Config)) {
				s.ReadOnlyConfig = false
			}
		}
	}
	return s
}

// words reads what commandWord and pathWord wrote.
func words(line string) []string {
	ref, err := secret.ParseCommand(line)
	if err != nil {
		return nil
	}
	for i, word := range ref.Command {
		ref.Command[i] = strings.NewReplacer("%%", "%", "$$", "$").Replace(word)
	}
	return ref.Command
}
