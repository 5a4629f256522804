package lifecycle

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Role is somebody who uses a repository, and may do no more than the work
// takes.
type Role string

// The roles.
const (
	// Backup adds snapshots and reads. It can neither delete nor hide
	// anything but locks; what it overwrites stays as a version.
	Backup Role = "backup"
	// Restore reads, earlier versions too. It takes no locks: --no-lock.
	Restore Role = "restore"
	// Upkeep is Backup that may delete: for forget and prune. It cannot erase
	// versions, nor end a retention early.
	Upkeep Role = "upkeep"
	// Admin is Upkeep that sets the bucket up and brings back what was deleted.
	// It is used by hand.
	Admin Role = "admin"
)

// Roles are all roles, the one that may least first.
func Roles() []Role { return []Role{Restore, Backup, Upkeep, Admin} }

// ParseRole reads a role.
func ParseRole(s string) (Role, error) {
	for _, r := range Roles() {
		if string(r) == s {
			return r, nil
		}
	}
	return "", fmt.Errorf("role %q: there are backup (adds and reads), restore (reads), upkeep (forget and prune) and admin (settings of the bucket)", s)
}

// Place is what a policy is for.
type Place struct {
	// Bucket is the bucket or container, Account the storage account (Azure).
	Bucket, Account string
	// Root begins the names of the repository's objects, with its last slash.
	Root string
	// Immutable is how long objects are locked when they are put; zero: not at
	// all.
	Immutable time.Duration
}

// statement is a part of a policy of S3.
type statement struct {
	Sid       string         `json:"Sid"`
	Effect    string         `json:"Effect"`
	Action    []string       `json:"Action"`
	Resource  []string       `json:"Resource"`
	Condition map[string]any `json:"Condition,omitempty"`
}

// S3Policy returns the policy of a role in the language of AWS, which
// compatible services speak too.
func S3Policy(p Place, r Role) ([]byte, error) {
	bucket := "arn:aws:s3:::" + p.Bucket
	objects := []string{bucket + "/" + p.Root + "*"}
	statements := []statement{
		{Sid: "LookAtTheBucket", Action: lookActions(r), Resource: []string{bucket}},
		{Sid: "List", Action: listActions(r), Resource: []string{bucket}, Condition: prefixCondition(p.Root)},
		{Sid: "Read", Action: readActions(r), Resource: objects},
	}
	if r != Restore {
		statements = append(statements,
			statement{Sid: "Add", Action: addActions(), Resource: objects},
			statement{Sid: "UnlockAfterWork", Action: []string{"s3:DeleteObject"}, Resource: []string{bucket + "/" + p.Root + "locks/*"}},
		)
	}
	if r != Restore && p.Immutable > 0 {
		lock := []string{"s3:PutObjectRetention"}
		statements = append(statements,
			statement{Sid: "Lock", Action: lock, Resource: objects},
			statement{Sid: "ButForNoLonger", Effect: "Deny", Action: lock, Resource: objects, Condition: longerThan(p.Immutable)},
		)
	}
	if r == Upkeep || r == Admin {
		statements = append(statements, statement{Sid: "Delete", Action: []string{"s3:DeleteObject"}, Resource: objects})
	}
	if r == Admin {
		statements = append(statements,
			// Taking a delete marker away is what undelete does; locked versions
			// are safe from it.
			statement{Sid: "Undelete", Action: []string{"s3:DeleteObjectVersion"}, Resource: objects},
			statement{Sid: "SetUp", Action: []string{
				"s3:PutBucketVersioning", "s3:PutLifecycleConfiguration", "s3:PutBucketObjectLockConfiguration",
			}, Resource: []string{bucket}},
		)
	}
	for n := range statements {
		statements[n].Effect = cmp.Or(statements[n].Effect, "Allow")
	}
	return indented(map[string]any{"Version": "2012-10-17", "Statement": statements})
}

// lookActions read settings, for `storage check` and for powers that depend on
// them.
func lookActions(r Role) []string {
	actions := []string{
		"s3:GetBucketLocation", "s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration", "s3:GetLifecycleConfiguration",
	}
	if r != Restore { // which knows no condition on the prefix
		actions = append(actions, "s3:ListBucketMultipartUploads")
	}
	return actions
}

func listActions(r Role) []string {
	actions := []string{"s3:ListBucket"}
	if r == Restore || r == Admin {
		actions = append(actions, "s3:ListBucketVersions")
	}
	return actions
}

// prefixCondition limits listing to the repository, where it is not all of
// the bucket.
func prefixCondition(root string) map[string]any {
	if root == "" {
		return nil
	}
	return map[string]any{"StringLike": map[string]any{"s3:prefix": []string{root + "*", strings.TrimSuffix(root, "/")}}}
}

func readActions(r Role) []string {
	actions := []string{"s3:GetObject", "s3:GetObjectTagging", "s3:RestoreObject"}
	if r == Restore || r == Admin {
		actions = append(actions, "s3:GetObjectVersion")
	}
	return append(actions, "s3:GetObjectRetention")
}

func addActions() []string {
	return []string{"s3:PutObject", "s3:PutObjectTagging", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"}
}

// longerThan is the condition of a denial that keeps a thief of the credentials
// from locking everything for a century, which somebody would have to pay for.
// A denial, since not every service tells the length with every request.
func longerThan(period time.Duration) map[string]any {
	days := int((period+day-1)/day) + 1 // retentions end at full hours
	return map[string]any{"NumericGreaterThan": map[string]any{"s3:object-lock-remaining-retention-days": fmt.Sprint(days)}}
}

// AzurePolicy returns the definition of a custom role and, where that takes
// one, the condition of its assignment (attribute-based access control).
func AzurePolicy(p Place, r Role) ([]byte, error) {
	const (
		containers = "Microsoft.Storage/storageAccounts/blobServices/containers/"
		blobs      = containers + "blobs/"
	)
	data := []string{blobs + "read", blobs + "tags/read"}
	actions := []string{containers + "read"}
	var not []string
	condition := ""
	if r != Restore {
		data = append(data, blobs+"write", blobs+"add/action", blobs+"tags/write", blobs+"delete")
		if p.Immutable > 0 {
			// Not immutableStorage/runAsSuperUser/action: it ends retentions early.
			actions = append(actions, containers+"immutabilityPolicies/read")
		}
	}
	if r == Backup {
		condition = fmt.Sprintf("((!(ActionMatches{'%sdelete'})) OR (@Resource[%spath] StringStartsWith '%slocks/'))", blobs, blobs+":", p.Root)
	}
	if r == Upkeep || r == Admin {
		not = append(not, blobs+"deleteBlobVersion/action", blobs+"permanentDelete/action")
	}
	if r == Admin {
		actions = append(actions,
			"Microsoft.Storage/storageAccounts/blobServices/read", "Microsoft.Storage/storageAccounts/blobServices/write",
			"Microsoft.Storage/storageAccounts/managementPolicies/read", "Microsoft.Storage/storageAccounts/managementPolicies/write",
		)
	}
	scope := fmt.Sprintf("/subscriptions/SUBSCRIPTION/resourceGroups/GROUP/providers/Microsoft.Storage/storageAccounts/%s/blobServices/default/containers/%s", p.Account, p.Bucket)
	policy := map[string]any{
		"role": map[string]any{
			"Name": "holdfast " + string(r) + " of " + p.Bucket, "IsCustom": true,
			"Description": roleText(r), "Actions": actions, "NotActions": []string{},
			"DataActions": data, "NotDataActions": append([]string{}, not...), "AssignableScopes": []string{scope},
		},
	}
	if condition != "" {
		policy["assignment"] = map[string]any{"condition": condition, "conditionVersion": "2.0"}
	}
	return indented(policy)
}

// GCSPolicy returns the definition of a custom role and the bindings of the
// bucket's policy that give it, with MEMBER for whoever gets it.
func GCSPolicy(p Place, r Role) ([]byte, error) {
	permissions := []string{"storage.buckets.get", "storage.objects.list", "storage.objects.get"}
	if r != Restore {
		permissions = append(permissions, "storage.objects.create", "storage.objects.update", "storage.multipartUploads.create",
			"storage.multipartUploads.abort", "storage.multipartUploads.list", "storage.multipartUploads.listParts")
		if p.Immutable > 0 {
			permissions = append(permissions, "storage.objects.setRetention")
		}
	}
	if r == Upkeep || r == Admin {
		permissions = append(permissions, "storage.objects.delete")
	}
	if r == Admin {
		permissions = append(permissions, "storage.buckets.update", "storage.objects.restore")
	}
	below := func(prefix string) string {
		return fmt.Sprintf("resource.name.startsWith(\"projects/_/buckets/%s/objects/%s\")", p.Bucket, prefix)
	}
	binding := map[string]any{"role": "projects/PROJECT/roles/holdfast_" + string(r), "members": []string{"MEMBER"}}
	if p.Root != "" {
		binding["condition"] = map[string]any{"title": "the repository only", "expression": "resource.type != \"storage.googleapis.com/Object\" || " + below(p.Root)}
	}
	bindings := []any{binding}
	if r == Backup {
		bindings = append(bindings, map[string]any{
			"role": "roles/storage.objectUser", "members": []string{"MEMBER"},
			"condition": map[string]any{"title": "locks come and go", "expression": below(p.Root + "locks/")},
		})
	}
	return indented(map[string]any{
		"role":     map[string]any{"title": "holdfast " + string(r), "description": roleText(r), "includedPermissions": permissions, "stage": "GA"},
		"bindings": bindings,
	})
}

func roleText(r Role) string {
	return map[Role]string{
		Restore: "Reads a repository of holdfast (with --no-lock).",
		Backup:  "Adds snapshots to a repository of holdfast, and reads; deletes locks only.",
		Upkeep:  "Adds, reads and deletes in a repository of holdfast: for forget and prune.",
		Admin:   "Sets up the place of a repository of holdfast, and brings back what was deleted.",
	}[r]
}

func indented(v any) ([]byte, error) { return json.MarshalIndent(v, "", "  ") }
