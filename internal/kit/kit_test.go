package kit_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/kit"
)

func example() *kit.Kit {
	return &kit.Kit{
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

func full() *kit.Kit {
	k := example()
	k.Password, k.Fingerprint = "correct <horse> & 'battery'", kit.Fingerprint([]byte("key"))
	k.Identities = []string{"AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ"}
	k.Proven = &kit.Proven{At: time.Date(2026, 3, 1, 4, 5, 0, 0, time.UTC), How: "snapshot 3f9a0c11 restored on ada and compared with its source"}
	k.EvidenceKey = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
	k.Written = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	return k
}

// A page can be read back, from text and from HTML, with and without secrets.
func TestParse(t *testing.T) {
	plain := full()
	plain.Password, plain.Identities = "", nil
	for name, k := range map[string]*kit.Kit{"secrets": full(), "plain": plain, "least": {Location: "/srv/x", RepositoryID: "4fb1"}} {
		text, err := k.TextWithCodes()
		if err != nil {
			t.Fatal(err)
		}
		page, err := k.HTML()
		if err != nil {
			t.Fatal(err)
		}
		for form, written := range map[string]string{"text": text, "html": page, "windows": strings.ReplaceAll(text, "\n", "\r\n")} {
			got, err := kit.Parse([]byte(written))
			if err != nil {
				t.Errorf("%s %s: %v", name, form, err)
				continue
			}
			if got.Host != k.Host || !slices.Equal(got.Paths, k.Paths) || got.Name != k.Name || got.Location != k.Location ||
				got.RepositoryID != k.RepositoryID || got.KeyID != k.KeyID || got.Fingerprint != k.Fingerprint || got.Password != k.Password {
				t.Errorf("%s %s: read %+v, want %+v", name, form, got, k)
			}
		}
		if strings.Contains(page, "<horse>") {
			t.Error("the page has markup of somebody else's in it")
		}
	}
	for _, bad := range []string{"", "dear Ann", "HOLDFAST RECOVERY KIT\n\n  machine       ada\n"} {
		if _, err := kit.Parse([]byte(bad)); !errors.Is(err, kit.ErrNoKit) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Without secrets there is none on any page, and no code.
func TestNoSecretUnlessAsked(t *testing.T) {
	page, err := example().HTML()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(page, "<svg") || !strings.Contains(page, "________") {
		t.Error("the page has a code, or no line for the password")
	}
}

func FuzzParse(f *testing.F) {
	text, err := full().TextWithCodes()
	if err != nil {
		f.Fatal(err)
	}
	page, err := full().HTML()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(text))
	f.Add([]byte(page))
	f.Fuzz(func(t *testing.T, page []byte) {
		k, err := kit.Parse(page)
		if err == nil && (k.Location == "" || k.RepositoryID == "") {
			t.Error("a kit without a repository")
		}
	})
}
