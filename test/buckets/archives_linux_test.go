package buckets

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/minio/minio-go/v7"

	"holdfast/test/servers"
)

// archivesSite is a site whose plan archives into a place of its own.
func archivesSite(t *testing.T) (s *site, key *age.X25519Identity) {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	s = newSite(t, "")
	s.write("src/a", noise(1, 100_000))
	s.write("key.txt", []byte(key.String()+"\n"))
	s.write("holdfast.yaml", fmt.Appendf(nil, `repositories:
  offsite: { url: %q, password: { env: HOLDFAST_PASSWORD } }
sources:
  docs: { files: { paths: [%s/src] } }
plans:
  docs:
    sources: [docs]
    repository: offsite
    keep: { daily: 7, within: 30d }
    archives: { to: %q, recipients: [%s], chain: 31d }
`, s.url(), s.dir, s.archives(), key.Recipient()))
	s.owner.Run(t, "init")
	return s, key
}

func (s *site) archives() string { return strings.TrimSuffix(s.url(), "repo") + "archives" }

// What a plan keeps decides for how long its archives stay; the service does
// the rest, and does it here.
func TestArchivesExpireWithThePlan(t *testing.T) {
	s, _ := archivesSite(t)
	s.owner.Run(t, "plan", "run", "docs")
	if out := s.owner.Run(t, "archive", "export", "--plan", "docs"); !strings.Contains(out, "full: ") {
		t.Fatalf("the first archive: %s", out)
	}
	if out := s.owner.Run(t, "archive", "export", "--plan", "docs"); !strings.Contains(out, "archived already") {
		t.Errorf("the same once more: %s", out)
	}
	if plan := s.owner.Run(t, "storage", "plan", "--archives", "docs"); !strings.Contains(plan, "expire after 61 days, below archives/") {
		t.Errorf("the plan: %s", plan)
	}
	s.owner.Run(t, "storage", "apply", "--archives", "docs")
	if again := s.owner.Run(t, "storage", "plan", s.archives()); !regexp.MustCompile(`(?m)^rule archives( +expire after 61 days, below archives/){2} *$`).MatchString(again) {
		t.Errorf("a second time, by the place: %s", again)
	}
	now, err := s.server.Client().GetBucketLifecycle(t.Context(), s.bucket)
	if err != nil || len(now.Rules) == 0 || now.Rules[0].Expiration.Days != 61 || now.Rules[0].RuleFilter.Prefix != "archives/" {
		t.Errorf("rules at the service: %+v, %v", now, err)
	}
	out := s.owner.Run(t, "storage", "check", "--archives", "docs")
	for _, want := range []string{"expire after 61 days, as holdfast.yaml says", "nothing else lies here; there are 1 of them"} {
		if !strings.Contains(out, want) {
			t.Errorf("check does not say %q: %s", want, out)
		}
	}

	old := s.keysBelow("archives/")
	s.write("src/b", noise(2, 1000))
	s.owner.Run(t, "plan", "run", "docs")
	if out := s.owner.Run(t, "archive", "export", "--plan", "docs"); !strings.Contains(out, "incremental: ") {
		t.Errorf("the second archive: %s", out)
	}
	s.owner.Run(t, "archive", "verify", s.archives(), "-i", "key.txt")
	for _, key := range old {
		s.dateBack(key, 63*24*time.Hour)
	}
	s.waitUntilGone(old)
	if left := s.keysBelow("archives/"); len(left) != 3 {
		t.Errorf("left are %q, want the three files of the second archive", left)
	}
	s.owner.Run(t, "check", "--read-data") // the repository beside it is untouched
}

// A rule that deletes by age never comes to a place where anything but
// archives lies, and a repository in such a place is said to be in danger.
func TestNoExpiryBesideARepository(t *testing.T) {
	s, _ := archivesSite(t)
	s.owner.Run(t, "storage", "apply", "--archives", "docs")
	inside := s.archives() + "/inside"
	s.owner.Run(t, "init", "-r", inside)
	for _, command := range []string{"plan", "apply", "check"} {
		if r := s.owner.Exits(t, 1, "storage", command, "--archives", "docs"); !strings.Contains(r.Output(), "is no part of one") {
			t.Errorf("%s: %s", command, r.Output())
		}
	}
	if r := s.owner.Exits(t, 1, "storage", "check", inside); !strings.Contains(r.Stdout, "WILL lose data") {
		t.Errorf("check of the repository inside: %s", r.Output())
	}
}

// Where rules cannot be set with these credentials, or are not kept, that is
// said for archives, too.
func TestArchivesElsewhere(t *testing.T) {
	a, g := servers.Azure(t), servers.GCS(t)
	for name, place := range map[string]struct {
		url, want string
		env       []string
	}{
		"azure": {"azure:" + a.Container(t) + ":/archives", "az storage account management-policy", []string{
			"AZURE_ACCOUNT_NAME=" + a.Account, "AZURE_ACCOUNT_KEY=" + a.Key, "AZURE_STORAGE_BLOB_ENDPOINT=" + a.Endpoint,
		}},
		"gs": {"gs:" + g.Bucket(t) + ":/archives", "the service has none, not", []string{"STORAGE_EMULATOR_HOST=" + g.Endpoint}},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := archivesSite(t)
			s.write("holdfast.yaml", []byte(strings.ReplaceAll(string(s.read("holdfast.yaml")), s.archives(), place.url)))
			h := s.owner.With(place.env...)
			if out := h.Run(t, "storage", "plan", "--archives", "docs"); !strings.Contains(out, "expire after 61 days") {
				t.Errorf("plan: %s", out)
			}
			if r := h.Exits(t, 1, "storage", "apply", "--archives", "docs"); !strings.Contains(r.Output(), place.want) {
				t.Errorf("apply: %s", r.Output())
			}
			h.Run(t, "plan", "run", "docs")
			h.Run(t, "archive", "export", "--plan", "docs")
			h.Run(t, "archive", "verify", place.url, "-i", "key.txt")
			h.Run(t, "storage", "check", "--archives", "docs")
		})
	}
}

// keysBelow lists objects of the bucket.
func (s *site) keysBelow(prefix string) (keys []string) {
	s.t.Helper()
	for o := range s.server.Client().ListObjects(s.t.Context(), s.bucket, minio.ListObjectsOptions{Recursive: true, Prefix: prefix}) {
		if o.Err != nil {
			s.t.Fatal(o.Err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

// dateBack makes an object older than it is, as a replica of an old one.
func (s *site) dateBack(key string, age time.Duration) {
	s.t.Helper()
	client := s.server.Client()
	o, err := client.GetObject(s.t.Context(), s.bucket, key, minio.GetObjectOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	data, err := io.ReadAll(o)
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = client.PutObject(s.t.Context(), s.bucket, key, bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{
		Internal: minio.AdvancedPutOptions{SourceMTime: time.Now().Add(-age), ReplicationRequest: true},
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// waitUntilGone waits until the service has deleted some objects.
func (s *site) waitUntilGone(keys []string) {
	s.t.Helper()
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		left := 0
		for _, key := range keys {
			if _, err := s.server.Client().StatObject(s.t.Context(), s.bucket, key, minio.StatObjectOptions{}); err == nil {
				left++
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("%d of %d objects are still there", left, len(keys))
		}
	}
}

func (s *site) read(name string) []byte {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}
