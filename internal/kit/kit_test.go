package kit_test

import (
	"strings"
	"testing"

	"holdfast/internal/kit"
)

func example() kit.Kit {
	return kit.Kit{
		Host: "ada", Paths: []string{"/home/ann/Documents", "/home/ann/Music"},
		Name: "local", Location: "/srv/ann's backup", ResticLocation: "/srv/ann's backup",
		RepositoryID: "4fb1", KeyID: "9c2e",
		PasswordPlace: "file /home/ann/.config/holdfast/local.password",
		PasswordFile:  "/home/ann/.config/holdfast/local.password",
	}
}

func TestText(t *testing.T) {
	text := example().Text()
	for _, want := range []string{
		"/home/ann/Documents\n                /home/ann/Music\n",
		`holdfast -r '/srv/ann'\''s backup' snapshots`,
		`restic -r '/srv/ann'\''s backup' restore latest`,
		"its key       9c2e\n",
		"--password-file /home/ann/.config/holdfast/local.password",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if len(line) > 81 {
			t.Errorf("too long for a page: %q", line)
		}
	}
}

func TestPasswordOnlyWhenAsked(t *testing.T) {
	k := example()
	if !strings.Contains(k.Text(), "________") {
		t.Error("there is no place to write the password down")
	}
	k.Password = "correct horse"
	text := k.Text()
	if !strings.Contains(text, "password      correct horse\n") || strings.Contains(text, "________") {
		t.Errorf("the password is not in its place:\n%s", text)
	}
}

func TestSameKitSameText(t *testing.T) {
	first, second := example(), example()
	if first.Text() != second.Text() {
		t.Error("the text differs from run to run")
	}
}
