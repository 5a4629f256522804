package buckets

import (
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"holdfast/test/program"
	"holdfast/test/servers"
)

const locked = "    immutable: { mode: compliance, for: 1d }\n"

// attacker is somebody with credentials and another program.
type attacker struct {
	t      *testing.T
	client *minio.Client
	bucket string
}

func (s *site) attacker(accessKey, secretKey string) *attacker {
	s.t.Helper()
	c, err := minio.New(strings.TrimPrefix(s.server.Endpoint, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(accessKey, secretKey, ""), Region: s.server.Region,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return &attacker{s.t, c, s.bucket}
}

// versions lists all versions of all objects, as the owner may.
func (s *site) versions() (list []minio.ObjectInfo) {
	for o := range s.server.Client().ListObjects(s.t.Context(), s.bucket, minio.ListObjectsOptions{Recursive: true, WithVersions: true}) {
		if o.Err != nil {
			s.t.Fatal(o.Err)
		}
		list = append(list, o)
	}
	return list
}

// destroy overwrites every object, some with as many bytes as it had, deletes
// every object but some of those that are overwritten, and then every version, as
// far as the service lets it, in two waves.
func (a *attacker) destroy(versions []minio.ObjectInfo) (overwritten, deleted, erased int) {
	ctx := a.t.Context()
	for n, v := range versions {
		if n%2 == 0 {
			ransom := "ransom"
			if n%4 == 0 {
				ransom = strings.Repeat("x", int(v.Size))
			}
			_, err := a.client.PutObject(ctx, a.bucket, v.Key, strings.NewReader(ransom), int64(len(ransom)), minio.PutObjectOptions{})
			if err == nil {
				overwritten++
			}
			if n%8 == 0 {
				continue // a replaced object that nobody misses in a list
			}
		}
		if err := a.client.RemoveObject(ctx, a.bucket, v.Key, minio.RemoveObjectOptions{}); err == nil {
			deleted++
		}
	}
	for _, v := range versions {
		for _, bypass := range []bool{false, true} {
			err := a.client.RemoveObject(ctx, a.bucket, v.Key, minio.RemoveObjectOptions{VersionID: v.VersionID, GovernanceBypass: bypass, ForceDelete: false})
			if err == nil && !v.IsDeleteMarker && !strings.Contains(v.Key, "/locks/") {
				erased++
			}
		}
	}
	return overwritten, deleted, erased
}

// lockForAges locks everything for ten years, in the mode that the owner can
// end, and returns how much of it the service lets it.
func (a *attacker) lockForAges(versions []minio.ObjectInfo) (n int) {
	mode, until := minio.Governance, time.Now().AddDate(10, 0, 0)
	for _, v := range versions {
		err := a.client.PutObjectRetention(a.t.Context(), a.bucket, v.Key, minio.PutObjectRetentionOptions{Mode: &mode, RetainUntilDate: &until, VersionID: v.VersionID})
		if err == nil {
			n++
		}
	}
	return n
}

// Whoever has the agent's credentials, and even whoever has those of the
// account, deletes and overwrites everything they can. All snapshots come back.
func TestAttackersDestroyNothing(t *testing.T) {
	for _, role := range []string{"backup", "upkeep", "the account"} {
		t.Run(role, func(t *testing.T) {
			s := newSite(t, locked, servers.WithObjectLock())
			s.owner.Run(t, "init")
			agent, agentKey, agentSecret := s.role("backup")
			first := map[string][]byte{"src/a": noise(1, 3_000_000), "src/b": noise(2, 50_000)}
			for name, data := range first {
				s.write(name, data)
			}
			agent.Run(t, "backup", "src")
			second := map[string][]byte{"src/a": first["src/a"], "src/b": noise(3, 60_000)}
			s.write("src/b", second["src/b"])
			agent.Run(t, "backup", "src")
			before := aMoment()

			var a *attacker
			switch role {
			case "backup":
				a = s.attacker(agentKey, agentSecret)
			case "upkeep":
				_, key, secret := s.role("upkeep")
				a = s.attacker(key, secret)
			default:
				a = s.attacker(s.server.AccessKey, s.server.SecretKey)
			}
			if n := a.lockForAges(s.versions()); n > 0 && role != "the account" {
				t.Errorf("%d objects are locked for ten years, for somebody to pay", n)
			}
			overwritten, deleted, erased := a.destroy(s.versions())
			t.Logf("%d overwritten, %d deleted, %d versions erased", overwritten, deleted, erased)
			if erased > 0 {
				t.Errorf("%d locked versions are gone for good", erased)
			}
			if overwritten == 0 {
				t.Error("nothing was overwritten: the test tests too little")
			}
			if r := s.owner.Try("snapshots"); r.Code == 0 {
				t.Error("after the attack the repository still opens: the test tests too little")
			}

			reader, _, _ := s.role("restore")
			if list := program.JSON[struct{ ID string }](t, reader, "snapshots", "--as-of", before); len(list) != 2 {
				t.Fatalf("%d snapshots as of before the attack, want 2", len(list))
			}
			reader.Run(t, "restore", "latest", "--as-of", before, "--target", "past")
			s.wantFiles("past", second)

			admin, _, _ := s.role("admin")
			admin.Run(t, "storage", "undelete", "--as-of", before)
			admin.Run(t, "check", "--read-data")
			admin.Run(t, "restore", "latest~1", "--target", "back")
			s.wantFiles("back", first)
			agent.Run(t, "backup", "src")
			if again := admin.Run(t, "storage", "undelete", "--as-of", before, "--dry-run"); !strings.Contains(again, "0 were deleted and 0 replaced") {
				t.Errorf("a second undelete finds something: %s", again)
			}
		})
	}
}

// With the credentials of an agent every command works but those that delete,
// and these delete nothing.
func TestAppendOnlyCredentials(t *testing.T) {
	s := newSite(t, "", servers.WithVersioning())
	s.owner.Run(t, "init")
	s.owner.Run(t, "storage", "apply")
	agent, _, _ := s.role("backup")
	s.write("src/a", noise(1, 2_000_000))
	agent.Run(t, "backup", "src")
	s.write("src/b", noise(2, 100_000))
	agent.Run(t, "backup", "src")
	for _, args := range [][]string{
		{"snapshots"},
		{"ls", "latest"},
		{"find", "a"},
		{"diff", "latest~1", "latest"},
		{"dump", "latest", "/src/b"},
		{"stats", "--mode", "raw-data"},
		{"restore", "latest", "--target", "back", "--verify"},
		{"check", "--read-data"},
		{"list", "packs"},
		{"cat", "config"},
		{"key", "list"},
		{"unlock"},
		{"storage", "plan"},
		{"storage", "check"},
		{"storage", "policy", "--role", "backup"},
	} {
		if r := agent.Try(args...); r.Code != 0 {
			t.Errorf("%q: exit code %d\n%s", args, r.Code, r.Output())
		}
	}
	count := func() int {
		return len(program.JSON[struct{ ID string }](t, s.owner, "snapshots"))
	}
	for _, args := range [][]string{
		{"forget", "--keep-last", "1", "--prune"},
		{"forget", "latest"},
	} {
		if r := agent.Try(args...); r.Code == 0 {
			t.Errorf("%q succeeded with append-only credentials", args)
		}
	}
	if n := count(); n != 2 {
		t.Fatalf("%d snapshots are left, want 2", n)
	}
	s.owner.Run(t, "check", "--read-data")

	// Upkeep may, and restore may read only.
	upkeep, _, _ := s.role("upkeep")
	upkeep.Run(t, "forget", "--keep-last", "1", "--prune")
	upkeep.Run(t, "check", "--read-data")
	reader, _, _ := s.role("restore")
	reader.Run(t, "--no-lock", "restore", "latest", "--target", "read")
	if r := reader.Try("backup", "src"); r.Code == 0 {
		t.Error("credentials that may read made a backup")
	}
	if r := reader.Try("storage", "apply", "--keep-deleted", "90d"); r.Code == 0 {
		t.Error("credentials that may read set up the bucket")
	}
}
