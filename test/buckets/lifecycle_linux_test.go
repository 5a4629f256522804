package buckets

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/lifecycle"

	"holdfast/test/program"
	"holdfast/test/servers"
	"holdfast/test/tools"
)

// finding is what `storage check --json` prints.
type finding struct {
	MessageType string `json:"message_type"`
	Level, What string
	Worst       string
}

func (s *site) check(code int) (worst string, findings map[string]string) {
	s.t.Helper()
	findings = make(map[string]string)
	r := s.owner.Exits(s.t, code, "storage", "check", "--json")
	for line := range strings.Lines(r.Stdout) {
		var f finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			s.t.Fatalf("%v in %q", err, line)
		}
		if f.MessageType == "summary" {
			return f.Worst, findings
		}
		findings[f.What] = f.Level
	}
	s.t.Fatalf("no summary: %s", r.Output())
	return "", nil
}

// What is applied is what the service has afterwards; rules of others stay;
// and one that would delete what the repository needs is a danger.
func TestSettingsOfARealBucket(t *testing.T) {
	s := newSite(t, "    immutable: { mode: governance, for: 35d }\n", servers.WithObjectLock())
	client := s.server.Client()
	other := lifecycle.NewConfiguration()
	other.Rules = []lifecycle.Rule{{ID: "logs", Status: "Enabled", RuleFilter: lifecycle.Filter{Prefix: "logs/"}, Expiration: lifecycle.Expiration{Days: 10}}}
	if err := client.SetBucketLifecycle(t.Context(), s.bucket, other); err != nil {
		t.Fatal(err)
	}
	s.owner.Run(t, "init")

	plan := s.owner.Run(t, "storage", "plan")
	if !strings.Contains(plan, "expire noncurrent versions after 35 days") {
		t.Errorf("the plan does not keep versions as long as the locks: %s", plan)
	}
	s.owner.Run(t, "storage", "apply")
	now, err := client.GetBucketLifecycle(t.Context(), s.bucket)
	if err != nil {
		t.Fatal(err)
	}
	days := make(map[string]int)
	for _, r := range now.Rules {
		days[r.ID] = int(r.Expiration.Days) + int(r.NoncurrentVersionExpiration.NoncurrentDays)
		if r.ID == "logs" && r.RuleFilter.Prefix != "logs/" {
			t.Errorf("the rule of somebody else changed: %+v", r)
		}
	}
	if days["logs"] != 10 || len(days) != 3 {
		t.Errorf("rules at the service: %v", days)
	}
	if worst, findings := s.check(0); worst == "danger" || findings["versioning"] != "good" || findings["object lock"] != "good" || findings["conditional create"] != "good" {
		t.Errorf("%s: %v", worst, findings)
	}

	// The classic.
	now.Rules = append(now.Rules, lifecycle.Rule{ID: "old", Status: "Enabled", Expiration: lifecycle.Expiration{Days: 365}})
	if err := client.SetBucketLifecycle(t.Context(), s.bucket, now); err != nil {
		t.Fatal(err)
	}
	if worst, findings := s.check(1); worst != "danger" || findings["rule old"] != "danger" {
		t.Errorf("a rule that deletes everything after a year: %s, %v", worst, findings)
	}
	if r := s.owner.Exits(t, 1, "status"); !strings.Contains(r.Stderr, "DANGER: rule old: expire after 365 days") {
		t.Errorf("status says nothing of it: %s", r.Output())
	}
}

func TestABucketWithoutLocks(t *testing.T) {
	s := newSite(t, "    immutable: { mode: governance, for: 35d }\n")
	if worst, findings := s.check(1); worst != "danger" || findings["object lock"] != "danger" {
		t.Errorf("%s, %v", worst, findings)
	}
	if r := s.owner.Try("init"); r.Code == 0 || !strings.Contains(r.Stderr, "object lock") && !strings.Contains(r.Stderr, "lock objects") {
		t.Errorf("a repository that should be immutable was made in a bucket that cannot lock: %s", r.Output())
	}
}

// A bucket that init makes for an immutable repository can lock objects.
func TestInitMakesABucketThatLocks(t *testing.T) {
	s := newSite(t, locked)
	if err := s.server.Client().RemoveBucket(t.Context(), s.bucket); err != nil {
		t.Fatal(err)
	}
	s.owner.Run(t, "init")
	s.check(0)
	s.write("src/a", noise(1, 10_000))
	s.owner.Run(t, "backup", "src")
	if _, findings := s.check(0); findings["retentions"] != "good" {
		t.Errorf("right after a backup: %v", findings)
	}
	out := s.owner.Run(t, "storage", "extend", "--all", "-v")
	if !strings.Contains(out, "is long enough") {
		t.Errorf("extend right after a backup: %s", out)
	}
	s.owner.Run(t, "forget", "latest", "--prune", "--unsafe-allow-remove-all")
}

// classes returns the storage class of each object of the repository.
func (s *site) classes() map[string]string {
	s.t.Helper()
	classes := make(map[string]string)
	for o := range s.server.Client().ListObjects(s.t.Context(), s.bucket, minio.ListObjectsOptions{Recursive: true, Prefix: "repo/"}) {
		if o.Err != nil {
			s.t.Fatal(o.Err)
		}
		classes[strings.TrimPrefix(o.Key, "repo/")] = o.StorageClass
	}
	return classes
}

// waitForCold waits until so many objects lie in the cold class.
func (s *site) waitForCold(want int) {
	s.t.Helper()
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		cold := 0
		for key, class := range s.classes() {
			if class == servers.ColdTier {
				cold++
				if !strings.HasPrefix(key, "data/") {
					s.t.Fatalf("%s went to the cold class", key)
				}
			}
		}
		if cold >= want {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("%d objects are in the cold class, want %d", cold, want)
		}
	}
}

// Packs of file content move to the cold class, those of holdfast and, once
// they are marked, those of restic; folders, index and snapshots stay. What is
// there is left alone by prune and check, and comes back when it is thawed.
func TestFileContentGetsColdAndComesBack(t *testing.T) {
	s := newSite(t, "    tiers: { cold: { after: 0d, class: "+servers.ColdTier+" } }\n    options: { cold-classes: "+servers.ColdTier+" }\n", servers.WithVersioning())
	s.server.Second(t)
	s.owner.Run(t, "init")
	s.owner.Run(t, "storage", "apply")
	s.write("src/ours", noise(1, 2_000_000))
	s.owner.Run(t, "backup", "src")
	s.waitForCold(1)

	restic := program.New(t, tools.Restic(t)).In(s.dir).With("AWS_ACCESS_KEY_ID="+s.server.AccessKey, "AWS_SECRET_ACCESS_KEY="+s.server.SecretKey).On(s.url(), "correct horse")
	s.write("src/theirs", noise(2, 2_000_000))
	restic.Run(t, "backup", "src")
	out := s.owner.Run(t, "storage", "mark")
	if !strings.Contains(out, "marked ") {
		t.Errorf("nothing of restic's was marked: %s", out)
	}
	s.waitForCold(2)
	if out = s.owner.Run(t, "storage", "mark", "-v"); !strings.Contains(out, "marked 0 of") {
		t.Errorf("a second run marks again: %s", out)
	}

	if out = s.owner.Run(t, "check", "--read-data"); !strings.Contains(out, "not read: 2 packs") {
		t.Errorf("check says nothing of cold packs: %s", out)
	}
	s.owner.Run(t, "forget", "latest")
	s.owner.Run(t, "prune", "--max-unused", "0")

	r := s.owner.Exits(t, 1, "restore", "latest", "--target", "back")
	if !strings.Contains(r.Stderr, "--thaw") {
		t.Errorf("a restore of cold packs does not say what to do: %s", r.Output())
	}
	s.owner.Run(t, "restore", "latest", "--target", "back", "--thaw", "--thaw-wait", "2m", "--thaw-for", "2d")
	s.wantFiles("back", map[string][]byte{"src/ours": noise(1, 2_000_000)})
}
