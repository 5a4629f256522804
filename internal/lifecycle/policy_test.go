package lifecycle_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/lifecycle"
)

type s3Policy struct {
	Statement []struct {
		Effect           string
		Action, Resource []string
	}
}

// mayOn returns the resources on which a policy allows an action.
func (p s3Policy) mayOn(action string) []string {
	var on []string
	for _, s := range p.Statement {
		if s.Effect == "Allow" && slices.Contains(s.Action, action) {
			on = append(on, s.Resource...)
		}
	}
	return on
}

func policyOf(t *testing.T, place lifecycle.Place, r lifecycle.Role) (p s3Policy) {
	t.Helper()
	text, err := lifecycle.S3Policy(place, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestS3PoliciesAllowNoMoreThanTheRoleTakes(t *testing.T) {
	place := lifecycle.Place{Bucket: "b", Root: "repo/", Immutable: 35 * day}
	all, locks := []string{"arn:aws:s3:::b/repo/*"}, []string{"arn:aws:s3:::b/repo/locks/*"}
	for _, test := range []struct {
		action                         string
		restore, backup, upkeep, admin []string
	}{
		{"s3:GetObject", all, all, all, all},
		{"s3:GetObjectVersion", all, nil, nil, all},
		{"s3:PutObject", nil, all, all, all},
		{"s3:PutObjectRetention", nil, all, all, all},
		{"s3:DeleteObject", nil, locks, slices.Concat(locks, all), slices.Concat(locks, all)},
		{"s3:DeleteObjectVersion", nil, nil, nil, all},
		{"s3:BypassGovernanceRetention", nil, nil, nil, nil},
		{"s3:PutLifecycleConfiguration", nil, nil, nil, []string{"arn:aws:s3:::b"}},
		{"s3:PutBucketPolicy", nil, nil, nil, nil},
	} {
		for role, want := range map[lifecycle.Role][]string{
			lifecycle.Restore: test.restore, lifecycle.Backup: test.backup, lifecycle.Upkeep: test.upkeep, lifecycle.Admin: test.admin,
		} {
			if got := policyOf(t, place, role).mayOn(test.action); !slices.Equal(got, want) {
				t.Errorf("%s may %s on %v, want %v", role, test.action, got, want)
			}
		}
	}
	place.Immutable = 0
	if on := policyOf(t, place, lifecycle.Backup).mayOn("s3:PutObjectRetention"); on != nil {
		t.Errorf("a backup that locks nothing may lock %v", on)
	}
}

func TestOtherPolicies(t *testing.T) {
	place := lifecycle.Place{Bucket: "b", Account: "acme", Root: "repo/"}
	for _, test := range []struct {
		role         lifecycle.Role
		azure, azNot string
		gcs, gcsNot  string
	}{
		{lifecycle.Restore, "blobs/read", "blobs/delete", "storage.objects.get", "storage.objects.create"},
		{lifecycle.Backup, "StringStartsWith 'repo/locks/'", "runAsSuperUser", "repo/locks/", "storage.objects.delete"},
		{lifecycle.Upkeep, "deleteBlobVersion", "managementPolicies", "storage.objects.delete", "storage.buckets.update"},
		{lifecycle.Admin, "managementPolicies/write", "runAsSuperUser", "storage.buckets.update", "setIamPolicy"},
	} {
		azure, err := lifecycle.AzurePolicy(place, test.role)
		if err != nil || !strings.Contains(string(azure), test.azure) || strings.Contains(string(azure), test.azNot) {
			t.Errorf("%s on Azure: %v\n%s", test.role, err, azure)
		}
		gcs, err := lifecycle.GCSPolicy(place, test.role)
		if err != nil || !strings.Contains(string(gcs), test.gcs) || strings.Contains(string(gcs), test.gcsNot) {
			t.Errorf("%s on GCS: %v\n%s", test.role, err, gcs)
		}
	}
	if _, err := lifecycle.ParseRole("root"); err == nil {
		t.Error("there is a role root")
	}
}
